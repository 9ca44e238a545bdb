//! Many cases of every test, and a table of their results.

use crate::{kill, store, unknown_outcomes};

/// `KILLS=20` makes it shorter.
fn from_environment(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
#[ignore = "takes minutes"]
fn killed_processes_and_failing_stores_at_length() {
    println!("\nkilling");
    let kills = kill::many(from_environment("KILLS", 200));
    println!("\nfailing store");
    let store = store::many(from_environment("SEEDS", 100) as u64);
    println!("\nkilled processes\n{kills}\nfailing store\n{store}");
}

#[test]
#[ignore = "takes minutes"]
fn edited_runs_of_a_failing_store_at_length() {
    let stops = store::edited::many(from_environment("SEEDS", 100) as u64);
    println!("\nedited runs of a failing store\n  {:32} {stops:>5}", "edited and continued");
}

#[test]
#[ignore = "takes minutes"]
fn killed_post_jobs_at_length() {
    let left = unknown_outcomes::all(from_environment("POST_KILLS", 50));
    println!("\nkilled POST jobs");
    left.iter().for_each(|unknown| println!("  {unknown}"));
    left.iter().for_each(unknown_outcomes::Unknown::holds);
}
