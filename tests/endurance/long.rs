//! The long forms, and a table of what came of them.

use crate::{kill, store, unknown};

/// `KILLS=20` makes it shorter.
fn from_environment(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
#[ignore = "takes minutes"]
fn the_long_forms() {
    println!("\nkilling");
    let kills = kill::many(from_environment("KILLS", 200));
    println!("\nfailing store");
    let store = store::many(from_environment("SEEDS", 100) as u64);
    let left = unknown::all(from_environment("POST_KILLS", 50));
    println!("\nkilled processes\n{kills}\nfailing store\n{store}\nkilled POST jobs");
    left.iter().for_each(|unknown| println!("  {unknown}"));
    left.iter().for_each(unknown::Unknown::holds);
}
