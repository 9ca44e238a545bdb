//! A provider that answers at once and always the same, in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Measured;
use crate::process::Running;

/// Makes this program the server.
pub(crate) const ARGUMENT: &str = "--as-server";

/// What it answers, and what a job keeps of it.
const BODY: &str = r#"{"place": {"city": "Lisbon", "position": {"lat": 38.7223, "lon": -9.1393}}}"#;
pub(crate) const JSON_PATH: &str = "$.place.city";
pub(crate) const JSON_POINTER: &str = "/place/city";

/// A server that runs until this is dropped.
pub(crate) struct Server {
    pub(crate) host: String,
    // Dropped first: without its input the server would begin to report.
    _running: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start() -> Measured<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let running = Running(child);
        let mut stdout = BufReader::new(stdout);
        let mut host = String::new();
        stdout.read_line(&mut host)?;
        Ok(Self { host: host.trim().to_owned(), _running: running, stdin, stdout })
    }

    /// Ends it. When each request arrived, in order, reckoned from its start.
    pub(crate) fn arrivals(self) -> Measured<Vec<Duration>> {
        drop(self.stdin);
        let micros = self.stdout.lines().map(|line| Ok(Duration::from_micros(line?.parse()?)));
        micros.collect()
    }
}

/// The server itself: says where it listens, and at the end of its input when each request arrived.
pub(crate) fn serve() -> Measured<()> {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    println!("{}", listener.local_addr()?);
    let seen = arrivals.clone();
    std::thread::spawn(move || runtime.block_on(listen(&listener, &seen)));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let mut stdout = std::io::stdout().lock();
    for at in arrivals.lock().unwrap().iter().map(Duration::as_micros) {
        writeln!(stdout, "{at}")?;
    }
    Ok(stdout.flush()?)
}

async fn listen(listener: &TcpListener, arrivals: &Arc<Mutex<Vec<Duration>>>) {
    let begun = Instant::now();
    while let Ok((stream, _)) = listener.accept().await {
        let arrivals = arrivals.clone();
        tokio::spawn(async move {
            // A client that hangs up is no fault of the server.
            let _ = answer(stream, begun, &arrivals).await;
        });
    }
}

/// Answers requests without a body, also several that come at once.
async fn answer(
    mut stream: TcpStream,
    begun: Instant,
    arrivals: &Mutex<Vec<Duration>>,
) -> std::io::Result<()> {
    const END: &[u8] = b"\r\n\r\n";
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(16 << 10);
    while stream.read_buf(&mut received).await? > 0 {
        let at = begun.elapsed();
        let mut answers = Vec::new();
        while let Some(end) = received.windows(END.len()).position(|bytes| bytes == END) {
            received.drain(..end + END.len());
            answers.extend_from_slice(answer.as_bytes());
            arrivals.lock().unwrap().push(at);
        }
        stream.write_all(&answers).await?;
    }
    Ok(())
}
