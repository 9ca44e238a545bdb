//! The Map state.

use std::sync::Arc;

use super::{Compiler, Names};
use crate::machine::{Distributed, Map, Reader};
use crate::syntax;

impl Compiler<'_, '_> {
    pub(super) fn map(&mut self, map: syntax::Map, names: &Names) -> Map {
        Map {
            items_path: map.items_path.and_then(|text| self.path(&text)),
            item_selector: map.item_selector.map(|node| self.template(&node)),
            max_concurrency: self.number(map.max_concurrency),
            processor: Arc::new(self.scope(map.processor)),
            distributed: map.distributed.map(|distributed| self.distributed(distributed)),
            result_selector: map.result_selector.map(|node| self.template(&node)),
            result_path: self.result_path(map.result_path),
            recovery: self.recovery(map.retry, map.catch, names),
            next: self.next(&map.next, names),
        }
    }

    fn distributed(&mut self, distributed: syntax::Distributed) -> Distributed {
        let label = match distributed.label {
            Some(label) => {
                if self.labels.contains(&label.value) {
                    self.report.add(&label.at, format!("the label {:?} is used twice", label.value));
                }
                label.value
            }
            None => format!("Map{}", self.labels.len()),
        };
        self.labels.push(label.clone());
        Distributed {
            label,
            reader: distributed
                .reader
                .map(|reader| Reader { parameters: self.template(&reader.parameters), max_items: self.number(reader.max_items) }),
            writer: distributed.writer.map(|writer| self.template(&writer.parameters)),
            tolerated_percentage: self.number(distributed.tolerated_percentage),
            tolerated_count: self.number(distributed.tolerated_count),
        }
    }
}
