//! The way to the POS systems: pipes of real bytes, and whether who sent a request is still there.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use http::Uri;
use hyper::{
    rt::{Read, ReadBufCursor, Write},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use posnext_aws::adapters::http_pos::line::{Connection, Network};
use tokio::{
    io::{DuplexStream, duplex},
    time::sleep,
};

use crate::{
    faults::Fault,
    pos::{Restaurants, is_a_port},
    sim::Shared,
};

/// Whether who sent a request is still there.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    gone: AtomicBool,
    in_peace: AtomicBool,
}

impl Gone {
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.is_gone() && !self.in_peace.load(Ordering::Relaxed)
    }
}

/// The way of one machine to every POS.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) sim: Shared,
    pub(crate) restaurants: Arc<Restaurants>,
}

impl Network for Wire {
    type Connection = Pipe;

    async fn connect(&self, uri: Uri) -> Result<Pipe, String> {
        let mut dice = self.sim.dice.part("connect", self.sim.number());
        let time = if self.sim.strikes(&mut dice, Fault::SlowPos) { dice.millis(100..5_000) } else { dice.millis(1..30) };
        sleep(time).await;
        if self.sim.strikes(&mut dice, Fault::NoConnection) {
            return Err("connection refused".to_owned());
        }
        let port = uri.port_u16().filter(|port| is_a_port(*port)).ok_or("no such port")?;
        let (near, far) = duplex(1 << 18);
        let (gone, restaurants) = (Arc::new(Gone::default()), Arc::clone(&self.restaurants));
        let seen = Arc::clone(&gone);
        let service = service_fn(move |request| {
            let handling = Arc::clone(&restaurants).handle(port, request, Arc::clone(&seen));
            // The POS, and what stands before it, goes on when the connection has gone.
            async move { tokio::spawn(handling).await.map_err(io::Error::other)? }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service));
        Ok(Pipe { bytes: TokioIo::new(near), gone })
    }
}

/// A connection to a POS.
#[derive(Debug)]
pub(crate) struct Pipe {
    bytes: TokioIo<DuplexStream>,
    gone: Arc<Gone>,
}

impl Connection for Pipe {
    fn close_in_peace(&self) {
        self.gone.in_peace.store(true, Ordering::Relaxed);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.gone.gone.store(true, Ordering::Relaxed);
    }
}

impl Read for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(cx, buf)
    }
}

impl Write for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }
}
