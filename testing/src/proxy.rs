//! A proxy on loopback that makes tunnels (`CONNECT`).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::TcpStream;

use crate::HttpServer;

/// A proxy, and the heads of the requests that it got.
pub struct Proxy {
    server: HttpServer,
    heads: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Proxy {
    /// Makes tunnels for whoever sends this `Proxy-Authorization`, or for everybody.
    pub fn start(authorization: Option<&str>) -> Self {
        let heads: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let (log, wanted) = (heads.clone(), authorization.map(str::to_owned));
        let server = HttpServer::connections(move |stream| {
            let (log, wanted) = (log.clone(), wanted.clone());
            async move {
                let _ = tunnel(stream, wanted.as_deref(), &log).await;
            }
        });
        Self { server, heads }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What it was asked to connect to: `host:port`.
    pub fn targets(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head[0].split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

async fn tunnel(
    stream: TcpStream,
    wanted: Option<&str>,
    log: &Mutex<Vec<Vec<String>>>,
) -> std::io::Result<()> {
    let mut client = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        head.push(line.to_owned());
    }
    let authorization = head.iter().find_map(|line| {
        Some(line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))?.1)
    });
    let is_known = wanted.is_none_or(|wanted| authorization == Some(wanted));
    let target = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
    let is_connect = head[0].starts_with("CONNECT ");
    log.lock().unwrap().push(head);
    let refusal: &[u8] = match (is_connect, is_known) {
        (_, false) => b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        (false, _) => b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n",
        _ => {
            let mut server = TcpStream::connect(&target).await?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            copy_bidirectional(&mut client, &mut server).await?;
            return Ok(());
        }
    };
    client.write_all(refusal).await
}
