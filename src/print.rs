//! What the command line prints. Throughout this crate `println!`, `print!`, `eprintln!` and `eprint!` are those of this module,
//! which never panic.
//!
//! A reader that has gone, as `head -1` does, ends the command quietly with [`Exit::Unread`]: at
//! once, or as an interrupted run ends. Any other stream that cannot be written is said once, and the command fails at its end.

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

/// From now on standard output is for a run's output alone: whatever else is printed goes to standard error.
pub fn keep_stdout_for_the_output() {
    OUTPUT_ON_STDOUT.store(true, Ordering::Relaxed);
}

/// When a reader has gone, this token is cancelled, in place of ending the process at once.
pub fn stop_when_unread(stop: CancellationToken) {
    let _ = STOP.set(stop);
}

/// How the command ends, after what became of its printing.
pub fn exit(exit: Exit) -> Exit {
    match (UNREAD.load(Ordering::Relaxed), FAILED.load(Ordering::Relaxed)) {
        (true, _) => Exit::Unread,
        (_, true) => Exit::Failed,
        _ => exit,
    }
}

/// Prints to standard output. What a terminal would take for an order, in a file's name or a line's text, is shown instead.
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

/// Prints to standard error.
pub fn stderr(text: Arguments<'_>) {
    match io::stderr().lock().write_all(visible(&text.to_string()).as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => unread(),
        // There is nowhere left to say it.
        _ => {}
    }
}

/// Nobody reads any more what the command prints.
pub fn unread() {
    match STOP.get() {
        Some(stop) => {
            UNREAD.store(true, Ordering::Relaxed);
            stop.cancel();
        }
        None => std::process::exit(Exit::Unread.code().into()),
    }
}
