//! The Map state.

use std::sync::Arc;

use super::Compiler;
use crate::machine::{Distributed, Map, MapItems, Reader};
use crate::syntax;

impl Compiler<'_, '_> {
    pub(super) fn map(&mut self, map: syntax::Map) -> Map {
        let distributes = map.distributed.is_some();
        let items = match (map.items, map.items_path) {
            (Some(node), _) => MapItems::Template(self.template(&node)),
            (None, Some(text)) => self.path(&text).map_or(MapItems::Input, MapItems::Path),
            (None, None) => MapItems::Input,
        };
        Map {
            items,
            item_selector: map.item_selector.map(|node| self.template(&node)),
            max_concurrency: self.number(map.max_concurrency),
            // The children of a Distributed Map are executions of their own: no variables around them.
            distributed: map.distributed.map(|distributed| self.distributed(distributed)),
            processor: Arc::new(self.inner(map.processor, !distributes)),
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
