//! Ports of servers, and ports without one.

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

/// A port that nobody has.
pub(super) fn any_port() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

/// An address on which no server listens.
pub fn closed_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An address that accepts no connection, because its queue is full until the second value is dropped.
pub async fn full_port() -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    let (connected, mut connections) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..8 {
        let connected = connected.clone();
        waiting.spawn(async move {
            let stream = TcpStream::connect(address).await;
            let _ = connected.send(stream);
        });
    }
    // The queue has room for two: once they are connected, it is full.
    let first = [connections.recv().await, connections.recv().await];
    (address, (listener, waiting, connections, first))
}
