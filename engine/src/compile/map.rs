//! Compiles a Map state.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Compiler;
use crate::dataset::{OutputType, Transformation};
use crate::machine::{Batcher, Distributed, MapItems, MapState, Number, Reader, Writer};
use crate::rule_violation::RuleViolation;
use crate::syntax::{self, StateBody};

impl Compiler<'_, '_> {
    pub(super) fn map(&mut self, map: syntax::MapFields) -> MapState {
        if map.distributed.as_ref().is_some_and(|distributed| distributed.express) {
            self.refuse_in_express(&map.processor, "an Express child");
        }
        // The children of a Distributed Map are executions of their own, and read no variables of their
        // parent.
        let sees_variables = map.distributed.is_none();
        let items = match (map.items, map.items_path) {
            (Some(node), _) => MapItems::Template(self.template(&node)),
            (None, Some(text)) => self.path(&text).map_or(MapItems::Input(self.language), MapItems::Path),
            (None, None) => MapItems::Input(self.language),
        };
        MapState {
            items,
            item_selector: map.item_selector.map(|node| self.template(&node)),
            max_concurrency: self.map_number(map.max_concurrency),
            distributed: map.distributed.map(|distributed| self.distributed(distributed)),
            processor: Arc::new(self.inner(map.processor, sees_variables)),
        }
    }

    fn distributed(&mut self, distributed: syntax::Distributed) -> Distributed {
        let label = match distributed.label {
            Some(label) => {
                if self.labels.contains(&label.value) {
                    self.report.violation(
                        &label.at,
                        RuleViolation::DuplicateLabel,
                        format!("the label {:?} is used twice", label.value),
                    );
                }
                label.value
            }
            None => generated_label(self.labels.len()),
        };
        self.labels.push(label.clone());
        let writer = match distributed.writer {
            None => Writer {
                target: None,
                transformation: Transformation::Compact,
                output_type: OutputType::Json,
            },
            Some(writer) => {
                let usual =
                    if writer.parameters.is_some() { Transformation::None } else { Transformation::Compact };
                Writer {
                    target: writer.parameters.map(|node| self.template(&node)),
                    transformation: writer.transformation.unwrap_or(usual),
                    output_type: writer.output_type,
                }
            }
        };
        Distributed {
            label,
            express: distributed.express,
            reader: distributed.reader.map(|reader| Reader {
                parameters: self.template(&reader.parameters),
                dataset: reader.dataset,
                max_items: self.map_number(reader.max_items),
            }),
            batcher: distributed.batcher.map(|batcher| self.batcher(batcher)),
            writer,
            tolerated_percentage: self.map_number(distributed.tolerated_percentage),
            tolerated_count: self.map_number(distributed.tolerated_count),
        }
    }

    fn batcher(&mut self, batcher: syntax::Batcher) -> Batcher {
        Batcher {
            items: self.map_number(batcher.items),
            bytes: self.map_number(batcher.bytes),
            input: batcher.input.map(|node| self.template(&node)),
        }
    }

    /// Compiles a number. Of a Map's fields, only ItemsPath may refer to the context object.
    fn map_number(&mut self, number: Option<syntax::Number>) -> Option<Number> {
        if let Some(syntax::Number::Path(text)) = &number
            && text.value.starts_with("$$")
        {
            self.report.add(&text.at, "cannot refer to the context object");
            return None;
        }
        self.number(number)
    }

    /// Reports the states that an Express execution cannot have: it does not wait for jobs or tokens, and
    /// starts no Map Run ("Choosing workflow type" in the developer guide).
    pub(super) fn refuse_in_express(&mut self, scope: &syntax::Scope, who: &str) {
        for state in &scope.states {
            match &state.kind {
                StateBody::Task(task) => {
                    let resource = &task.resource;
                    let rule = match [".waitForTaskToken", ".sync:2", ".sync"]
                        .iter()
                        .find(|pattern| resource.value.ends_with(**pattern))
                    {
                        Some(pattern) => RuleViolation::ExpressPattern(pattern.trim_end_matches(":2")),
                        None if resource.value.contains(":activity:") => RuleViolation::ExpressActivity,
                        None => continue,
                    };
                    self.report.violation(
                        &resource.at,
                        rule,
                        format!("{who} cannot wait for a job, a task token or an activity"),
                    );
                }
                StateBody::Map(map) if map.distributed.is_some() => {
                    self.report.violation(
                        &state.name.at,
                        RuleViolation::ExpressDistributed,
                        format!("{who} cannot have a Distributed Map"),
                    );
                }
                StateBody::Map(map) => self.refuse_in_express(&map.processor, who),
                StateBody::Parallel { branches } => {
                    branches.iter().for_each(|branch| self.refuse_in_express(branch, who))
                }
                _ => {}
            }
        }
    }
}

/// Makes a label. AWS generates a random UUID; this one is the same each time the definition is compiled,
/// because an execution that is continued compiles it again.
fn generated_label(index: usize) -> String {
    crate::digest::uuid_of(&Sha256::digest(format!("label {index}")).into())
}
