//! Printing to standard output and standard error. Throughout this crate `println!`, `print!`, `eprintln!`
//! and `eprint!` are the macros of this module, which never panic.
//!
//! When the reader of the output has gone, as `head -1` does, the command ends quietly with [`Exit::Unread`],
//! either at once or like an interrupted run. Any other error of a stream is reported once, and the command
//! fails when it ends.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use job::text::visible;
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

macro_rules! println {
    () => { $crate::print::stdout(format_args!("\n")) };
    ($($text:tt)*) => { $crate::print::stdout(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! print {
    ($($text:tt)*) => { $crate::print::stdout(format_args!($($text)*)) };
}

macro_rules! eprintln {
    () => { $crate::print::stderr(format_args!("\n")) };
    ($($text:tt)*) => { $crate::print::stderr(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprint {
    ($($text:tt)*) => { $crate::print::stderr(format_args!($($text)*)) };
}

static OUTPUT_ON_STDOUT: AtomicBool = AtomicBool::new(false);
static UNREAD: AtomicBool = AtomicBool::new(false);
static FAILED: AtomicBool = AtomicBool::new(false);
static STOP: OnceLock<CancellationToken> = OnceLock::new();

/// Reserves standard output for a run's output. Everything else is printed to standard error from now on.
pub fn reserve_stdout() {
    OUTPUT_ON_STDOUT.store(true, Ordering::Relaxed);
}

/// Cancels this token when the reader of the output has gone, instead of ending the process at once.
pub fn stop_when_unread(stop: CancellationToken) {
    let _ = STOP.set(stop);
}

/// The command's exit code, which errors in printing may change.
pub fn exit(exit: Exit) -> Exit {
    match (UNREAD.load(Ordering::Relaxed), FAILED.load(Ordering::Relaxed)) {
        (true, _) => Exit::Unread,
        (_, true) => Exit::Failed,
        _ => exit,
    }
}

/// Prints to standard output. Control characters, for example in a file's name, are made visible so that no
/// terminal obeys them.
pub fn stdout(text: Arguments<'_>) {
    if OUTPUT_ON_STDOUT.load(Ordering::Relaxed) {
        return stderr(text);
    }
    let mut stdout = io::stdout().lock();
    match stdout.write_all(visible(&text.to_string()).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => unread(),
        Err(error) if !FAILED.swap(true, Ordering::Relaxed) => {
            eprintln!("throughline: cannot write to standard output: {error}");
        }
        _ => {}
    }
}

/// Prints a warning to standard error, or as an event if the output is JSON.
pub fn warning(message: &str, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "event": "warning", "message": message }));
    } else {
        eprintln!("{message}");
    }
}

/// Prints to standard error.
pub fn stderr(text: Arguments<'_>) {
    match io::stderr().lock().write_all(visible(&text.to_string()).as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => unread(),
        // There is nowhere left to report it.
        _ => {}
    }
}

/// Ends the command because the reader of its output has gone.
pub fn unread() {
    match STOP.get() {
        Some(stop) => {
            UNREAD.store(true, Ordering::Relaxed);
            stop.cancel();
        }
        None => std::process::exit(Exit::Unread.code().into()),
    }
}
