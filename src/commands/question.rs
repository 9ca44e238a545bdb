//! The question at the terminal what a run does with the responses of the run before it.

use std::io::{self, IsTerminal};

use job::run::Again;

/// What came of the question.
pub(super) enum Decision {
    Said(Again),
    Cancelled,
    /// Nobody can be asked.
    Open,
}

/// Shows a doubt and asks for a decision, if there is a terminal.
pub(super) async fn ask(doubt: &str) -> Decision {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Decision::Open;
    }
    // A doubt names the ways out of it.
    let can_keep = doubt.contains("--continue");
    let can_send = doubt.contains("--fresh");
    let choices = match (can_keep, can_send) {
        (true, _) => "k: keep the responses, a: send all lines again, c: cancel",
        (false, true) => "a: send all lines again, c: cancel",
        (false, false) => return Decision::Open,
    };
    eprintln!("{doubt}\n\n{choices}");
    loop {
        eprint!("> ");
        // The process ends at Ctrl-C, whatever this thread does.
        let line = tokio::task::spawn_blocking(|| io::stdin().lines().next()).await;
        let Ok(Some(Ok(line))) = line else { return Decision::Cancelled };
        match line.trim().to_lowercase().as_str() {
            "k" | "keep" if can_keep => return Decision::Said(Again::Continue),
            "a" | "all" | "send all" => return Decision::Said(Again::Fresh),
            "c" | "cancel" | "" => return Decision::Cancelled,
            _ => eprintln!("{choices}"),
        }
    }
}
