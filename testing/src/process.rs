//! Processes, and waiting for events.

use std::io::Read;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The longest time that any test waits for an event.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The exit code and the output of a process that has ended.
pub struct Output {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    pub(crate) fn new(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails unless the exit code is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// A process that is killed when the test ends.
pub struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Kills it (SIGKILL).
    pub fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child().try_wait().unwrap().is_some()
    }

    /// The next line of its standard output, or what there is of it when it ends.
    #[allow(clippy::unbuffered_bytes, reason = "a buffer would lose what comes after the line")]
    pub fn next_line(&mut self) -> String {
        let stdout = self.child().stdout.as_mut().unwrap();
        let bytes = stdout.bytes().map(|byte| byte.unwrap()).take_while(|byte| *byte != b'\n');
        String::from_utf8(bytes.collect()).unwrap()
    }

    /// Sends SIGINT and waits for the end.
    pub fn interrupt(self) -> Output {
        self.signal("INT");
        self.wait()
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Output {
        Output::new(self.0.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until a condition holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "never seen: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
