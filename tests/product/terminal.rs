//! Progress on real terminals of several sizes.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::thread;

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use testing::{Api, JobFile, Scene, wait_until};

/// A program on a terminal, and what the terminal shows.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    parser: Arc<Mutex<vt100::Parser>>,
    /// Every byte that was written.
    written: Arc<Mutex<Vec<u8>>>,
    child: std::process::Child,
}

impl Terminal {
    pub(crate) fn start(
        scene: &Scene,
        args: &[&str],
        rows: u16,
        columns: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let (pty, terminal) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_throughline"))
            .args(args)
            .current_dir(scene.path(""))
            .env("TERM", "xterm");
        let child = command.envs(environment.iter().copied()).spawn(terminal).unwrap();
        let size = |n| NonZeroU16::new(n).unwrap();
        let parser = Arc::new(Mutex::new(vt100::Parser::new(size(rows), size(columns), 0)));
        let (pty, written) = (Arc::new(pty), Arc::new(Mutex::new(Vec::new())));
        let (reader, screen, all) = (pty.clone(), parser.clone(), written.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The terminal of a program that has ended cannot be read.
            while let Ok(count @ 1..) = (&*reader).read(&mut bytes) {
                screen.lock().unwrap().process(&bytes[..count]);
                all.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { pty, parser, written, child }
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = |n| NonZeroU16::new(n).unwrap();
        self.parser.lock().unwrap().set_size(size(rows), size(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// Types keys.
    pub(crate) fn write(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end of the program.
    pub(crate) fn wait(&mut self) {
        self.child.wait().unwrap();
    }

    /// The rows that have something in them.
    fn rows(&self) -> Vec<String> {
        let parser = self.parser.lock().unwrap();
        let (_, columns) = parser.screen().size();
        parser.screen().rows(0, columns.get()).filter(|row| !row.trim().is_empty()).collect()
    }

    pub(crate) fn wait_for(&self, what: &str, seen: impl Fn(&[String]) -> bool) -> Vec<String> {
        wait_until(what, || seen(&self.rows()));
        self.rows()
    }

    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LANES: usize = 30;

/// A job of thirty lanes.
fn scene(api: &Api) -> Scene {
    let limits: String =
        (0..LANES).map(|n| format!("[limits.provider-{n:02}]\nrate = \"unlimited\"\n")).collect();
    let job = JobFile::get(api.url("/ok/{{ id }}"))
        .tables(format!("[limits]\nby = \"{{{{ provider }}}}\"\n{limits}"));
    let lines: String = (0..LANES * 40).map(|n| format!("{n},provider-{:02}\n", n % LANES)).collect();
    Scene::named("places", job, "in.csv", format!("id,provider\n{lines}"))
}

const RUN: [&str; 3] = ["run", "places.toml", "in.csv"];

#[test]
fn progress_of_many_lanes_fits_every_terminal() {
    let api = Api::start();
    let scene = scene(&api);
    api.respond_only(200);
    let terminal = Terminal::start(&scene, &RUN, 18, 80, &[]);
    let is_total = |row: &String| row.starts_with("all lanes") && row.contains("200 of 1,200");
    for (rows, columns) in [(18, 80), (18, 40), (10, 120), (40, 60)] {
        terminal.resize(rows, columns);
        // What the terminal itself has cut off is drawn anew.
        let fits = |row: &String| row.trim_end().chars().count() < usize::from(columns);
        let shown = terminal.wait_for("a frame that fits", |shown| {
            let lanes = shown.iter().filter(|row| row.contains("provider-")).count();
            let expected = LANES.min(usize::from(rows) - 4);
            let is_status = |row: &String| {
                row.starts_with("sending")
                    && ["stops", "continues"].iter().any(|end| row.trim_end().ends_with(end))
            };
            shown.first().is_some_and(is_total)
                && lanes == expected
                && shown.last().is_some_and(is_status)
                && shown.iter().all(fits)
        });
        let lanes = shown.iter().filter(|row| row.starts_with("provider-"));
        assert!(
            lanes.clone().count() > 0 && lanes.clone().all(|row| row.contains(" of 40")),
            "no number is cut\n{shown:#?}"
        );
    }
    api.respond_all();
    terminal.wait_for("the summary", |shown| shown.iter().any(|row| row.starts_with("  report")));
    let written = terminal.written();
    let colours = written
        .split("\u{1b}[")
        .skip(1)
        .filter(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'));
    assert_eq!(colours.count(), 0, "progress has no colours");
}

#[test]
fn dumb_terminal_gets_plain_lines() {
    let api = Api::start();
    let scene = Scene::new(JobFile::get(api.url("/ok/{{ line }}")), "in.txt", "1\n2\n");
    let terminal = Terminal::start(&scene, &["run", "job.toml", "in.txt"], 24, 80, &[("TERM", "dumb")]);
    terminal.wait_for("the summary", |shown| shown.iter().any(|row| row.contains("every line succeeded")));
    assert!(!terminal.written().contains('\u{1b}'), "{:?}", terminal.written());
}
