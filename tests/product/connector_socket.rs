//! The HTTP connector and its sockets: how far a request got, and that an attempt that was given up is over.

use std::{net::SocketAddr, time::Duration};

use posnext_shared::domain::{ability::Placed, history::Cause};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::{
    connector::{location, place_at, record},
    support::order,
    tls_pos::acceptor,
};

async fn place(base: &str) -> Placed {
    place_at(&location(base, None), &record(&order("u-1", "PAR-LOC-HTTP"))).await
}

/// A POS on bare TCP: accepts, reads what comes, then does as told.
async fn raw_pos(reply: &'static [u8], hang: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(reply).await;
            if hang {
                kept.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_pos_that_was_certainly_not_reached_has_not_started() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let placed = place(&format!("http://{closed}")).await;
    assert!(matches!(placed, Placed::NotStarted { .. }), "refused: {placed:?}");
    // The connection stands, but TLS never does: no byte of the order was sent.
    let mute = raw_pos(b"", true).await;
    let placed = place(&format!("https://localhost:{}", mute.port())).await;
    assert!(matches!(placed, Placed::NotStarted { .. }), "no TLS: {placed:?}");
    let plain = raw_pos(b"HTTP/1.1 200 OK\r\n\r\n", false).await;
    let placed = place(&format!("https://localhost:{}", plain.port())).await;
    assert!(matches!(placed, Placed::NotStarted { .. }), "not TLS: {placed:?}");
}

#[tokio::test]
async fn a_pos_that_was_reached_and_did_not_answer_may_have_placed() {
    for (what, address) in [
        ("silent", raw_pos(b"", true).await),
        ("hangs up", raw_pos(b"", false).await),
        ("half an answer", raw_pos(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\"", false).await),
        ("no HTTP", raw_pos(b"hello\r\n\r\n", false).await),
    ] {
        let placed = place(&format!("http://{address}")).await;
        assert!(matches!(placed, Placed::Unknown(_)), "{what}: {placed:?}");
    }
    let huge: &[u8] = Box::leak(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1 << 17)).into_bytes().into_boxed_slice());
    let placed = place(&format!("http://{}", raw_pos(huge, false).await)).await;
    assert!(matches!(placed, Placed::Unknown(_)), "{placed:?}");
}

/// A POS whose window stays shut: of a large order most is still in our kernel.
async fn shut() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(8).unwrap()
}

/// All that arrives, and how it ended.
async fn drained(stream: &mut TcpStream) -> (usize, std::io::Result<()>) {
    let (mut buffer, mut arrived) = (vec![0; 1 << 16], 0);
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return (arrived, Ok(())),
            Ok(read) => arrived += read,
            Err(error) => return (arrived, Err(error)),
        }
    }
}

/// What an attempt comes to whose order is larger than a kernel takes for a window that is shut; `pos` is what happens at the other end.
/// Once it is told, no byte of it leaves any more: the connection is reset, although nobody has read.
async fn cut_off<F: Future<Output = TcpStream>>(scheme: &str, pos: impl FnOnce(TcpListener) -> F) -> Placed {
    let listener = shut().await;
    let base = format!("{scheme}://{}", listener.local_addr().unwrap());
    // 8 MB. (No order is this large; what counts is what is left.)
    let text = order("u-1", "PAR-LOC-HTTP").replacen('{', &format!(r#"{{"note":"{}","#, "x".repeat(8 << 20)), 1);
    let (location, record) = (location(&base, None), record(&text));
    let (placed, mut stream) = tokio::join!(place_at(&location, &record), pos(listener));
    let (arrived, end) = tokio::time::timeout(Duration::from_secs(5), drained(&mut stream)).await.expect("it is still open");
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(arrived < text.len(), "all of it arrived");
    placed
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

#[tokio::test]
async fn of_an_attempt_that_was_given_up_no_byte_leaves_any_more() {
    let placed = cut_off("http", async |listener| accepted(&listener).await).await;
    assert!(matches!(placed, Placed::Unknown(Cause::NoAnswer(_))), "{placed:?}");
}

#[tokio::test]
async fn of_an_attempt_that_was_given_up_over_tls_no_byte_leaves_any_more() {
    // After the handshake it reads nothing.
    let pos = async |listener| acceptor().accept(accepted(&listener).await).await.unwrap().into_inner().0;
    let placed = cut_off("https", pos).await;
    assert!(matches!(placed, Placed::Unknown(Cause::NoAnswer(_))), "{placed:?}");
}

/// What stands before a POS often answers before it has read the request, and the answer is complete.
#[tokio::test]
async fn of_an_attempt_that_was_answered_early_by_a_proxy_no_byte_leaves_any_more() {
    const ANSWER: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    let proxy = async |listener| {
        let (mut stream, mut head) = (accepted(&listener).await, [0; 256]);
        stream.read_exact(&mut head).await.unwrap();
        stream.write_all(ANSWER).await.unwrap();
        stream
    };
    let placed = cut_off("http", proxy).await;
    assert!(matches!(placed, Placed::Unknown(Cause::NotOwn { status: 502, .. })), "{placed:?}");
}

#[tokio::test]
async fn a_connection_of_which_the_answer_was_read_is_closed_and_not_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let pos = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 1 << 16];
        let _ = stream.read(&mut request).await.unwrap();
        let body = r#"{"key":"t.u-1","status":"placed","pos_order_id":"T"}"#;
        let answer = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        drained(&mut stream).await
    };
    let (placed, (_, end)) = tokio::join!(place(&base), pos);
    assert!(matches!(placed, Placed::Done { .. }) && end.is_ok(), "{placed:?} {end:?}");
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let accepted = tokio::spawn(async move {
        let mut accepted = 0;
        while accepted < 3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            accepted += 1;
            tokio::spawn(async move {
                let mut request = vec![0; 1 << 16];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let body = r#"{"key":"t.u-1","status":"placed","pos_order_id":"T"}"#;
                    let answer = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    for _ in 0..3 {
        assert!(matches!(place(&base).await, Placed::Done { .. }));
    }
    accepted.await.unwrap();
}
