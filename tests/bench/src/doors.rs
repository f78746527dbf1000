//! Doors before the services that count who comes in: the connections that a function opens. What comes through is handed on as
//! it is, TLS and all.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};

/// A door.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    opened: Arc<AtomicU64>,
}

impl Door {
    /// A door before this address.
    pub(crate) async fn before(upstream: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let opened = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&opened);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                // A connection that breaks is its client's to notice.
                tokio::spawn(hand_on(stream, upstream));
            }
        });
        Ok(Self { address, opened })
    }

    /// Connections since it was made.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }
}

/// Doors before each of the AWS services of an environment, which then leads through them. Each by the name of its variable.
pub(crate) async fn before_services(environment: &mut [(String, String)]) -> anyhow::Result<Vec<(String, Door)>> {
    let mut doors = Vec::new();
    for (name, value) in environment {
        let Some(service) = name.strip_prefix("AWS_ENDPOINT_URL_") else { continue };
        let (scheme, address) = value.split_once("://").with_context(|| format!("{name} is no URL"))?;
        let door = Door::before(address.trim_end_matches('/').parse()?).await?;
        let service = service.to_owned();
        *value = format!("{scheme}://{}", door.address);
        doors.push((service, door));
    }
    Ok(doors)
}

async fn hand_on(mut inside: TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    inside.set_nodelay(true)?;
    let mut outside = TcpStream::connect(upstream).await?;
    outside.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut inside, &mut outside).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn every_connection_is_counted_and_led_through() {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut environment = [
            ("AWS_ENDPOINT_URL_SQS".to_owned(), format!("https://{}", upstream.local_addr().unwrap())),
            ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
        ];
        let doors = before_services(&mut environment).await.unwrap();
        let (service, door) = doors.first().unwrap();
        assert_eq!((service.as_str(), door.opened()), ("SQS", 0));
        assert_eq!(environment[0].1, format!("https://{}", door.address));
        assert_eq!(environment[1].1, "us-east-1");
        for opened in 1..=2 {
            let mut client = TcpStream::connect(door.address).await.unwrap();
            client.write_all(b"?").await.unwrap();
            let (mut served, _) = upstream.accept().await.unwrap();
            assert_eq!(served.read_u8().await.unwrap(), b'?');
            assert_eq!(door.opened(), opened);
        }
    }
}
