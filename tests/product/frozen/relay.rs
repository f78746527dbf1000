//! A TCP relay between a function and what it calls. It can be shut: then it reads and writes nothing, and since its
//! own buffer is small, what the function sends stays in the function's kernel. A reset of one side is a reset of the
//! other.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
    sync::watch,
};

use super::{in_time, process::Process};

/// What a shut relay takes in all the same, in bytes; the kernel doubles it.
const WINDOW: u32 = 4096;

/// Much longer than anything takes from one process to another on one machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What a relay has seen of a connection from a function, each with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Bytes came while it was shut.
    Waiting(usize),
    /// A trap has sprung.
    Sprung(usize),
    /// The function has reset it.
    Reset(usize),
    /// It is over in any other way.
    Closed(usize),
}

/// Lets connections pass, or not.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    fn new(open: bool) -> Self {
        Self(Arc::new(watch::Sender::new(open)))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }
}

/// Where in a call the function is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The call has left it, and reached nobody.
    Call,
    /// The call is done, and its answer on the way.
    Answer,
}

/// Freezes a function at its next call of a kind, and holds that call's connection.
#[derive(Debug)]
struct Trap {
    word: &'static str,
    at: At,
    process: Process,
    gate: Gate,
}

/// What its connections share.
#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    gate: Mutex<Gate>,
    trap: Mutex<Option<Trap>>,
    seen: watch::Sender<Vec<Seen>>,
}

/// The relay.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Relay {
    pub(crate) fn to(upstream: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // A connection has its listener's buffer.
        socket.set_recv_buffer_size(WINDOW).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(128).unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, trap) = (Mutex::new(Gate::new(true)), Mutex::default());
        let shared = Arc::new(Shared { upstream, gate, trap, seen: watch::Sender::default() });
        let connections = Arc::clone(&shared);
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((client, _)) = listener.accept().await else { return };
                let gate = connections.gate.lock().unwrap().0.subscribe();
                let connection = Connection { number, gate, told: false, shared: Arc::clone(&connections) };
                tokio::spawn(connection.run(client));
            }
        });
        Self { address, shared }
    }

    /// Shuts the connections that it has, and those to come.
    pub(crate) fn shut(&self) -> Gate {
        let gate = self.shared.gate.lock().unwrap().clone();
        gate.0.send_replace(false);
        gate
    }

    /// Connections to come pass, whatever becomes of those that it has.
    pub(crate) fn renew(&self) {
        *self.shared.gate.lock().unwrap() = Gate::new(true);
    }

    /// Freezes the process at its next call that has this word in it. The call's connection is shut then; its gate.
    pub(crate) fn freeze_at(&self, at: At, word: &'static str, process: &Process) -> Gate {
        let gate = Gate::new(false);
        let trap = Trap { word, at, process: process.clone(), gate: gate.clone() };
        *self.shared.trap.lock().unwrap() = Some(trap);
        gate
    }

    /// Waits until what it has seen is this.
    pub(crate) async fn has_seen(&self, what: &str, is: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let mut seen = self.shared.seen.subscribe();
        let seen = in_time(what, seen.wait_for(|seen| is(seen))).await.unwrap();
        seen.clone()
    }

    /// Whether it has seen this, or does so within the time that news takes from one process to another on one
    /// machine.
    pub(crate) async fn sees_at_once(&self, is: impl Fn(&[Seen]) -> bool) -> bool {
        let mut seen = self.shared.seen.subscribe();
        tokio::time::timeout(AT_ONCE, seen.wait_for(|seen| is(seen))).await.is_ok()
    }

    /// What it has seen so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }
}

/// One connection through it.
struct Connection {
    number: usize,
    gate: watch::Receiver<bool>,
    /// Whether it was told that bytes wait.
    told: bool,
    shared: Arc<Shared>,
}

impl Connection {
    async fn run(mut self, mut client: TcpStream) {
        let _ = client.set_nodelay(true);
        let ended = self.pass(&mut client).await;
        let reset = ended.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
        self.note(if reset { Seen::Reset(self.number) } else { Seen::Closed(self.number) });
    }

    async fn pass(&mut self, client: &mut TcpStream) -> io::Result<()> {
        self.opened(client).await?;
        let mut server = TcpStream::connect(self.shared.upstream).await?;
        server.set_nodelay(true)?;
        let ended = self.pump(client, &mut server).await;
        if ended.is_err() {
            let _ = (server.set_zero_linger(), client.set_zero_linger());
        }
        ended
    }

    /// Passes on what comes, until the function closes the connection, or the other side does.
    async fn pump(&mut self, client: &mut TcpStream, server: &mut TcpStream) -> io::Result<()> {
        let (mut call, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let mut at_answer = None;
        loop {
            self.opened(client).await?;
            tokio::select! {
                changed = self.gate.changed() => changed.map_err(io::Error::other)?,
                read = client.read(&mut call) => {
                    let call = &call[..read?];
                    if call.is_empty() {
                        // Whatever was sent arrives: only when the other side has done with it is this over.
                        server.shutdown().await?;
                        while server.read(&mut answer).await? > 0 {}
                        return Ok(());
                    }
                    match self.trapped(call) {
                        Some(trap) if trap.at == At::Call => self.spring(trap, client).await?,
                        Some(trap) => at_answer = Some(trap),
                        None => {}
                    }
                    server.write_all(call).await?;
                }
                read = server.read(&mut answer) => {
                    let answer = &answer[..read.map_err(io::Error::other)?];
                    if answer.is_empty() {
                        return Ok(());
                    }
                    if let Some(trap) = at_answer.take() {
                        self.spring(trap, client).await?;
                    }
                    client.write_all(answer).await?;
                }
            }
        }
    }

    /// Returns at once while the gate is open; while it is shut, when it is opened, or the function resets the
    /// connection.
    async fn opened(&mut self, client: &TcpStream) -> io::Result<()> {
        while !*self.gate.borrow_and_update() {
            let mut byte = [0];
            tokio::select! {
                changed = self.gate.changed() => changed.map_err(io::Error::other)?,
                _ = client.ready(Interest::ERROR) => return Err(io::ErrorKind::ConnectionReset.into()),
                waiting = client.peek(&mut byte), if !self.told => {
                    self.told = true;
                    if waiting? > 0 {
                        self.note(Seen::Waiting(self.number));
                    }
                }
            }
        }
        Ok(())
    }

    fn trapped(&self, call: &[u8]) -> Option<Trap> {
        let mut trap = self.shared.trap.lock().unwrap();
        trap.take_if(|trap| call.windows(trap.word.len()).any(|bytes| bytes == trap.word.as_bytes()))
    }

    async fn spring(&mut self, trap: Trap, client: &TcpStream) -> io::Result<()> {
        trap.process.freeze();
        self.gate = trap.gate.0.subscribe();
        self.note(Seen::Sprung(self.number));
        self.opened(client).await
    }

    fn note(&self, seen: Seen) {
        self.shared.seen.send_modify(|all| all.push(seen));
    }
}
