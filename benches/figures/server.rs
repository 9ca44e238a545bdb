//! A provider that responds at once and always with the same body, in a separate process.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use testing::{HttpServer, Raw};

use crate::Measured;
use crate::process::Running;

/// Makes this program the server.
pub(crate) const ARGUMENT: &str = "--as-server";

/// The body of its responses, and where a job finds what it keeps of it.
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

    /// Ends the server. Returns when each request arrived, in order, as the time since its start.
    pub(crate) fn arrivals(self) -> Measured<Vec<Duration>> {
        drop(self.stdin);
        let micros = self.stdout.lines().map(|line| Ok(Duration::from_micros(line?.parse()?)));
        micros.collect()
    }
}

/// The server itself: prints where it listens, and at the end of its input when each request arrived.
pub(crate) fn serve() -> Measured<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    let server = HttpServer::raw(Raw::Repeat((head + BODY).into_bytes(), None));
    println!("{}", server.host());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let mut stdout = std::io::stdout().lock();
    for at in server.arrivals().iter().map(Duration::as_micros) {
        writeln!(stdout, "{at}")?;
    }
    Ok(stdout.flush()?)
}
