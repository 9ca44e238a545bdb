//! Connections on which bytes are written, whether they are HTTP or not.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Log;

/// The end of a request's head. Requests have no body here.
const END: &[u8] = b"\r\n\r\n";
/// The time between two bytes of a response that drips.
const DRIP: Duration = Duration::from_millis(20);

/// What a server does with a connection once it has read the head of a request.
#[derive(Debug, Clone)]
pub enum Raw {
    /// Writes these bytes and closes.
    Write(Vec<u8>),
    /// Writes these bytes and nothing more, without closing.
    Stall(Vec<u8>),
    /// Writes these bytes, and then a byte from time to time, without end.
    Drip(Vec<u8>),
    /// Closes with a reset.
    Reset,
    /// Writes these bytes and closes with a reset.
    WriteAndReset(Vec<u8>),
    /// Writes these bytes for each request and keeps the connection; closes it when the next request does not
    /// come within this time.
    Repeat(Vec<u8>, Option<Duration>),
}

pub(super) async fn serve(stream: TcpStream, script: &Raw, log: &Log) {
    // A client that hangs up is not an error of the server.
    let _ = match script {
        Raw::Repeat(bytes, patience) => repeat(stream, bytes, *patience, log).await,
        _ => once(stream, script, log).await,
    };
}

async fn once(mut stream: TcpStream, script: &Raw, log: &Log) -> io::Result<()> {
    let mut head = Vec::new();
    // Byte by byte: what follows the head stays unread.
    while !head.ends_with(END) {
        head.push(stream.read_u8().await?);
    }
    log.arrived();
    match script {
        Raw::Write(bytes) => {
            stream.write_all(bytes).await?;
            stream.shutdown().await
        }
        Raw::Stall(bytes) => {
            stream.write_all(bytes).await?;
            // Until the other side closes.
            stream.read_u8().await.map(drop)
        }
        Raw::Drip(bytes) => {
            stream.write_all(bytes).await?;
            let mut drip = tokio::time::interval(DRIP);
            loop {
                stream.write_all(b"x").await?;
                drip.tick().await;
            }
        }
        Raw::Reset => stream.set_zero_linger(),
        Raw::WriteAndReset(bytes) => {
            stream.write_all(bytes).await?;
            stream.set_zero_linger()
        }
        Raw::Repeat(..) => Ok(()),
    }
}

/// Responds to requests also when several arrive at once.
async fn repeat(
    mut stream: TcpStream,
    bytes: &[u8],
    patience: Option<Duration>,
    log: &Log,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(16 << 10);
    let mut has_responded = false;
    loop {
        let read = stream.read_buf(&mut received);
        let read = match patience {
            Some(patience) if has_responded => match tokio::time::timeout(patience, read).await {
                Ok(read) => read?,
                Err(_) => return Ok(()),
            },
            _ => read.await?,
        };
        if read == 0 {
            return Ok(());
        }
        let mut responses = Vec::new();
        while let Some(end) = received.windows(END.len()).position(|bytes| bytes == END) {
            received.drain(..end + END.len());
            responses.extend_from_slice(bytes);
            log.arrived();
            has_responded = true;
        }
        stream.write_all(&responses).await?;
    }
}
