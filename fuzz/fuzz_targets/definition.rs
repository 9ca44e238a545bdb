//! Any text is a definition, or is refused with places within it.
#![no_main]

use engine::{ExecutionType, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let found = engine::validate(text, ExecutionType::Standard);
    let compiled = engine::compile(text);
    assert_eq!(found.result == Verdict::Ok, compiled.is_ok(), "{found:?}");
    for diagnostic in &found.diagnostics {
        assert!(diagnostic.problem.line >= 1 && diagnostic.problem.line <= text.matches('\n').count() + 1);
    }
});
