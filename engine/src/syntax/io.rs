//! The fields that shape a state's input and output, in both query languages.

use super::fields::{Field, Fields};
use super::json::Node;
use crate::language::Language;

/// The fields that many types of states share.
#[derive(Debug, Default)]
pub(crate) struct Io {
    pub(crate) input_path: Field,
    /// `Parameters`, or `Arguments` in JSONata.
    pub(crate) arguments: Option<Node>,
    pub(crate) result_selector: Option<Node>,
    pub(crate) result_path: Field,
    pub(crate) output_path: Field,
    pub(crate) on_exit: OnExit,
}

/// The fields that are evaluated when a state is left: by its own `Next`, by a choice or by a catcher.
#[derive(Debug, Default)]
pub(crate) struct OnExit {
    /// JSONata only.
    pub(crate) output: Option<Node>,
    pub(crate) assign: Option<Node>,
}

impl Io {
    /// Reads the fields that a state of this type has.
    pub(crate) fn read(kind: &str, language: Language, fields: &mut Fields<'_, '_>) -> Self {
        let works = matches!(kind, "Task" | "Parallel" | "Map");
        let mut io = Io::default();
        match language {
            _ if kind == "Fail" => return io,
            Language::JsonPath => {
                io.input_path = fields.path("InputPath");
                io.output_path = fields.path("OutputPath");
                if works || kind == "Pass" {
                    io.result_path = fields.path("ResultPath");
                }
                if works {
                    io.result_selector = fields.take("ResultSelector");
                }
                if matches!(kind, "Task" | "Parallel" | "Pass") {
                    io.arguments = fields.take("Parameters");
                }
            }
            Language::Jsonata if matches!(kind, "Task" | "Parallel") => {
                io.arguments = fields.take("Arguments")
            }
            Language::Jsonata => {}
        }
        io.on_exit = OnExit::read(kind != "Succeed", language, fields);
        io
    }
}

impl OnExit {
    pub(crate) fn read(assigns: bool, language: Language, fields: &mut Fields<'_, '_>) -> Self {
        Self {
            output: (language == Language::Jsonata).then(|| fields.take("Output")).flatten(),
            assign: assigns.then(|| fields.take("Assign")).flatten(),
        }
    }
}
