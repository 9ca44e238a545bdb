//! The hooks with which a test of one state observes and changes its run.

use serde_json::Value;

use crate::failure::Failure;

/// Observes the run of a state. `TestState` has an inspector of its own; all other runs have [`NoInspector`].
pub(super) trait Inspector: Send + Sync {
    /// Receives an intermediate value of the state, by its name in `InspectionData`.
    fn record(&self, _name: &'static str, _value: &Value) {}

    /// The context object that expressions see in place of the execution's own.
    fn context(&self, _item: Option<&Value>) -> Option<Value> {
        None
    }

    /// The outcome that replaces the work of a Task, Map or Parallel.
    fn mock(&self) -> Option<Result<Value, Failure>> {
        None
    }
}

/// Records nothing and replaces nothing.
pub(super) struct NoInspector;

impl Inspector for NoInspector {}
