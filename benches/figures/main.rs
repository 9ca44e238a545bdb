//! The figures that throughline is held to, each with a reference from the same run, on loopback:
//! `cargo bench --bench figures`.
//!
//! Arguments choose figures (`-- throughput rate memory preprocess postprocess join`); `-- --quick` measures less.
//! Nothing is asserted: the exit code is 0 unless a measurement could not be made. Needs Linux (`/proc`).
#![allow(clippy::unwrap_used, missing_docs)]

mod bare;
mod files;
mod join;
mod memory;
mod merge;
mod process;
mod product;
mod rate;
mod server;
mod split;
mod step;
mod table;
mod throughput;

use std::path::PathBuf;
use std::process::ExitCode;

use table::Row;

/// What a measurement comes to.
pub(crate) type Measured<T> = Result<T, Box<dyn std::error::Error>>;

/// Where and how much to measure.
pub(crate) struct Bench {
    /// Empty, and removed in the end.
    pub(crate) folder: PathBuf,
    pub(crate) quick: bool,
}

/// The product's own, so that the steps are measured as they run; the references have it too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Figure = (&'static str, fn(&Bench) -> Measured<Vec<Row>>);

const FIGURES: [Figure; 6] = [
    ("throughput", throughput::measure),
    ("rate", rate::measure),
    ("memory", memory::measure),
    ("preprocess", split::measure),
    ("postprocess", merge::measure),
    ("join", join::measure),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        // This process is one of those that a figure starts.
        [server::ARGUMENT] => server::serve(),
        [bare::ARGUMENT, host, input, output] => bare::run(host, input.as_ref(), output.as_ref()),
        _ => measure(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &[&str]) -> Measured<()> {
    // `cargo bench` says so; `cargo test --benches` does not, and is not meant to wait for minutes.
    if !args.contains(&"--bench") {
        return Ok(());
    }
    let names: Vec<&str> =
        args.iter().copied().filter(|arg| !matches!(*arg, "--bench" | "--quick" | "quick")).collect();
    let known = FIGURES.map(|(name, _)| name);
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(format!("there is no figure {unknown}: {}, and --quick", known.join(", ")).into());
    }
    process::watch_interrupts()?;
    let folder = tempfile::Builder::new().prefix("figures-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let bench = Bench { folder: folder.path().to_owned(), quick: args.len() > names.len() + 1 };
    let (mut rows, mut unmeasured) = (Vec::new(), Vec::new());
    for (name, figure) in FIGURES.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        eprintln!("measuring {name} …");
        match figure(&bench) {
            Ok(more) => rows.extend(more),
            Err(error) => unmeasured.push(format!("{name} could not be measured: {error}")),
        }
        if process::interrupted() {
            break;
        }
    }
    table::print(&rows);
    if unmeasured.is_empty() { Ok(()) } else { Err(unmeasured.join("\n").into()) }
}
