//! The long forms, and a table of what came of them.

use crate::kill;

/// `KILLS=20` makes it shorter.
fn from_environment(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
#[ignore = "takes minutes"]
fn the_long_forms() {
    println!("\nkilling");
    let kills = kill::many(from_environment("KILLS", 200));
    println!("\n{kills}");
}
