//! A folder, a job, an input, and the real binary.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Output, Running};

/// A temporary folder in which commands run.
pub struct Scene {
    folder: TempDir,
}

/// The binary `throughline` that Cargo has built for this test.
pub fn binary() -> PathBuf {
    let built = || {
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().join("throughline")
    };
    std::env::var_os("CARGO_BIN_EXE_throughline").map_or_else(built, PathBuf::from)
}

impl Scene {
    /// A folder with a job file `job.toml` and an input.
    pub fn new(job: impl Display, file: &str, input: impl AsRef<[u8]>) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        scene.write("job.toml", job.to_string());
        scene.write(file, input);
        scene
    }

    /// A folder with a job file and an input. The name of the job file, which is not `job.toml`, is the name
    /// of the job.
    pub fn named(name: &str, job: impl Display, file: &str, input: impl AsRef<[u8]>) -> Self {
        let scene = Self::new("", file, input);
        scene.write(&format!("{name}.toml"), job.to_string());
        scene
    }

    /// A folder with the files of an archive (tar, gzip).
    pub fn unpack(archive: &Path) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        let archive = archive.to_str().unwrap();
        scene.run_as("tar", &["-xzf", archive]).expect(0);
        scene
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Whether there is such a file.
    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The name of the job in `job.toml`, which is that of the folder.
    pub fn job_name(&self) -> String {
        let folder = self.path("job.toml").canonicalize().unwrap();
        folder.parent().unwrap().file_name().unwrap().to_string_lossy().trim_start_matches('.').to_owned()
    }

    /// A command of the binary, in the folder.
    pub fn command(&self, args: &[&str]) -> Command {
        self.program(binary(), args)
    }

    fn program(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, |_| ())
    }

    /// Runs the binary with a changed command.
    pub fn run_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Output {
        self.start_with(args, change).wait()
    }

    /// Starts the binary.
    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, |_| ())
    }

    /// Starts the binary with a changed command.
    pub fn start_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Running {
        let mut command = self.command(args);
        change(&mut command);
        Running::start(&mut command)
    }

    /// Runs another program in the folder.
    pub fn run_as(&self, program: &str, args: &[&str]) -> Output {
        self.start_as(program, args).wait()
    }

    /// Starts another program in the folder.
    pub fn start_as(&self, program: &str, args: &[&str]) -> Running {
        self.start_as_with(program, args, |_| ())
    }

    /// Starts another program with a changed command.
    pub fn start_as_with(&self, program: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> Running {
        let mut command = self.program(program, args);
        change(&mut command);
        Running::start(&mut command)
    }

    /// Every file below the folder.
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
