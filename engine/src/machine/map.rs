//! The Map state, compiled.

use std::sync::Arc;

use super::{Number, Scope};
use crate::dataset::{Dataset, OutputType, Transformation};
use crate::expr::{Path, Template};
use crate::language::Language;

#[derive(Debug)]
pub(crate) struct MapState {
    pub(crate) items: MapItems,
    pub(crate) item_selector: Option<Template>,
    pub(crate) max_concurrency: Option<Number>,
    pub(crate) processor: Arc<Scope>,
    pub(crate) distributed: Option<Distributed>,
}

/// The source of the items of a Map without a reader.
#[derive(Debug)]
pub(crate) enum MapItems {
    Input(Language),
    /// `ItemsPath`.
    Path(Path),
    /// JSONata's `Items`.
    Template(Template),
}

#[derive(Debug)]
pub(crate) struct Distributed {
    pub(crate) label: String,
    /// Whether its children are Express executions.
    pub(crate) express: bool,
    pub(crate) reader: Option<Reader>,
    pub(crate) batcher: Option<Batcher>,
    pub(crate) writer: Writer,
    pub(crate) tolerated_percentage: Option<Number>,
    pub(crate) tolerated_count: Option<Number>,
}

#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) parameters: Template,
    pub(crate) dataset: Dataset,
    pub(crate) max_items: Option<Number>,
}

#[derive(Debug)]
pub(crate) struct Batcher {
    pub(crate) items: Option<Number>,
    pub(crate) bytes: Option<Number>,
    pub(crate) input: Option<Template>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    /// Bucket and prefix. Without a target, the results become the state's output.
    pub(crate) target: Option<Template>,
    pub(crate) transformation: Transformation,
    pub(crate) output_type: OutputType,
}
