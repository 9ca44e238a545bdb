//! Jobs and inputs that are edited between two commands: which responses are kept, which lines are sent, and what
//! is asked. Each edit comes after an interruption, after failed lines and after success, with GET and with POST.

mod cases;
mod choices;
mod request;
mod scenes;

use std::thread;

use cases::{edits, every_line_is_right};
use scenes::{Ended, Prepared};

#[test]
fn an_edit_sends_no_line_twice_leaves_out_no_line_and_confuses_no_responses() {
    let states = [Ended::Interrupted, Ended::WithFailures, Ended::WithSuccess];
    thread::scope(|threads| {
        for (ended, method) in states.into_iter().flat_map(|ended| [(ended, "GET"), (ended, "POST")]) {
            threads.spawn(move || {
                let prepared = Prepared::new(ended, method);
                for edit in edits(method) {
                    every_line_is_right(&prepared, &edit);
                }
            });
        }
    });
}
