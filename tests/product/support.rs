//! A folder, a job, an input, and the real binary.
#![allow(dead_code, reason = "several test binaries share it, each in part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest that any test waits for something to happen.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Scene {
    folder: TempDir,
}

pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Scene {
    /// A folder with a job file and an input.
    pub fn new(job: &str, file: &str, input: impl AsRef<[u8]>) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        scene.write("job.toml", job);
        scene.write(file, input);
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A job in `job.toml` has its folder's name.
    pub fn job_name(&self) -> String {
        let folder = self.path("job.toml").canonicalize().unwrap();
        folder.parent().unwrap().file_name().unwrap().to_string_lossy().trim_start_matches('.').to_owned()
    }

    /// Runs another program in the folder.
    pub fn run_as(&self, program: &str, args: &[&str]) -> Ran {
        Ran::of(self.program(program, args).output().unwrap())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_throughline"), args)
    }

    fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    pub fn run_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Ran {
        self.start_with(args, change).wait()
    }

    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, |_| ())
    }

    pub fn start_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Running {
        let mut command = self.command(args);
        change(&mut command);
        Running(Some(command.spawn().unwrap()))
    }

    /// Starts another program in the folder.
    pub fn start_as(&self, program: &str, args: &[&str]) -> Running {
        self.start_as_with(program, args, |_| ())
    }

    pub fn start_as_with(&self, program: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> Running {
        let mut command = self.program(program, args);
        change(&mut command);
        Running(Some(command.spawn().unwrap()))
    }

    /// Every file below the folder, for a search through all of them.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(self.folder.path(), &mut files);
        files
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// A process that is killed when the test ends.
pub struct Running(Option<Child>);

impl Running {
    pub fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    pub fn interrupt(self) -> Ran {
        self.signal("INT");
        self.wait()
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let id = self.0.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    pub fn wait(mut self) -> Ran {
        Ran::of(self.0.take().unwrap().wait_with_output().unwrap())
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

/// Waits until something is observed.
#[track_caller]
pub fn wait_until(what: &str, mut seen: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < DEADLINE, "never seen: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The records of a CSV text, header first.
pub fn csv(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// One column of a CSV text, without its header.
#[track_caller]
pub fn column(text: &str, name: &str) -> Vec<String> {
    let records = csv(text);
    let at = records[0]
        .iter()
        .position(|column| column == name)
        .unwrap_or_else(|| panic!("no column {name} in {:?}", records[0]));
    records[1..].iter().map(|record| record[at].clone()).collect()
}
