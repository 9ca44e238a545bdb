//! Makes the inputs of children from items: ItemSelector, then ItemBatcher.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::items::{Item, Items, Source};
use super::plan::Plan;
use crate::failure::{DATA_LIMIT_EXCEEDED, Failure};
use crate::machine::{Batcher, Number, State};
use crate::quotas::MAX_DATA;
use crate::run::Runtime;
use crate::run::frame::Running;
use crate::run::limits;

/// The evaluated fields of an ItemBatcher.
pub(super) struct Batching {
    items: Option<u64>,
    /// The largest input of a child, in bytes of JSON.
    bytes: usize,
    input: Option<Value>,
    /// The size of an input without items, in bytes.
    envelope: usize,
}

/// The input of a child.
pub(super) struct Batch {
    pub(super) input: Value,
    pub(super) items: u64,
    /// Whether the input is nondeterministic.
    pub(super) nondeterministic: bool,
}

/// A stream of the inputs of children.
pub(super) struct Batches {
    items: Items,
    /// The index of the next item, which may be the held one.
    at: u64,
    /// The item that did not fit into the last batch, its size in bytes, and whether it is nondeterministic.
    held: Option<(Value, usize, bool)>,
}

impl Batching {
    pub(super) fn evaluate(
        running: &mut Running,
        state: &State,
        batcher: &Batcher,
        input: &Value,
    ) -> Result<Self, Failure> {
        let items = positive(running, state, "MaxItemsPerBatch", &batcher.items, input)?;
        let bytes = positive(running, state, "MaxInputBytesPerBatch", &batcher.bytes, input)?;
        let bytes =
            bytes.map_or(MAX_DATA, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)).min(MAX_DATA);
        let batch_input = match &batcher.input {
            None => None,
            Some(template) => Some(running.evaluate(state, input, |env| template.fill(env))?),
        };
        let envelope = limits::size(&batch_of(&batch_input, Vec::new()));
        Ok(Self { items, bytes, input: batch_input, envelope })
    }
}

fn positive(
    running: &mut Running,
    state: &State,
    name: &str,
    number: &Option<Number>,
    input: &Value,
) -> Result<Option<u64>, Failure> {
    match running.whole_number(state, name, number, input) {
        Ok(Some(0)) => Err(Failure::runtime(format!("field {name} must be positive"))),
        Err(failure) if failure.cause == format!("{name} cannot be negative.") => {
            Err(Failure::runtime(format!("field {name} must be positive")))
        }
        other => other,
    }
}

/// The input of the child of one item, and whether it is nondeterministic.
fn child_input(
    running: &mut Running,
    plan: &Plan<'_>,
    index: u64,
    item: Item,
    source: &str,
) -> Result<(Value, bool), Failure> {
    if plan.map.item_selector.is_none() {
        return Ok((item.whole(), false));
    }
    let mut context = Map::new();
    context.insert("Index".into(), index.into());
    if let Some(key) = item.key {
        context.insert("Key".into(), key.into());
    }
    context.insert("Value".into(), item.value);
    context.insert("Source".into(), source.into());
    running.select_item(plan.state, plan.map, plan.input, &Value::Object(context))
}

impl Batches {
    pub(super) async fn open(source: &Source, runtime: &Arc<Runtime>) -> Result<Self, Failure> {
        Ok(Self { items: Items::open(source, runtime).await?, at: 0, held: None })
    }

    /// Skips items.
    pub(super) async fn skip(&mut self, items: u64) -> Result<(), Failure> {
        for _ in 0..items {
            if self.held.take().is_none() {
                self.items.skip().await?;
            }
            self.at += 1;
        }
        Ok(())
    }

    pub(super) async fn next(
        &mut self,
        running: &mut Running,
        plan: &Plan<'_>,
    ) -> Result<Option<Batch>, Failure> {
        match &plan.batching {
            None => {
                let Some((input, bytes, nondeterministic)) = self.item(running, plan, self.at).await? else {
                    return Ok(None);
                };
                if bytes > MAX_DATA {
                    return Err(too_large(self.at));
                }
                self.at += 1;
                Ok(Some(Batch { input, items: 1, nondeterministic }))
            }
            Some(batching) => self.batch(running, plan, batching).await,
        }
    }

    async fn batch(
        &mut self,
        running: &mut Running,
        plan: &Plan<'_>,
        batching: &Batching,
    ) -> Result<Option<Batch>, Failure> {
        let (mut items, mut size, mut nondeterministic) = (Vec::new(), batching.envelope, false);
        while batching.items.is_none_or(|most| (items.len() as u64) < most) {
            let held = match self.held.take() {
                Some(held) => Some(held),
                None => self.item(running, plan, self.at + items.len() as u64).await?,
            };
            let Some((value, bytes, drawn)) = held else { break };
            // The size includes the comma before the item.
            let longer = size + bytes + usize::from(!items.is_empty());
            if longer > batching.bytes {
                if items.is_empty() {
                    return Err(too_large(self.at));
                }
                self.held = Some((value, bytes, drawn));
                break;
            }
            size = longer;
            nondeterministic |= drawn;
            items.push(value);
        }
        let count = items.len() as u64;
        self.at += count;
        let batch = || Batch { input: batch_of(&batching.input, items), items: count, nondeterministic };
        Ok((count > 0).then(batch))
    }

    /// The next item after the ItemSelector, its size in bytes, and whether it is nondeterministic.
    async fn item(
        &mut self,
        running: &mut Running,
        plan: &Plan<'_>,
        index: u64,
    ) -> Result<Option<(Value, usize, bool)>, Failure> {
        let Some(item) = self.items.next().await? else { return Ok(None) };
        let (value, nondeterministic) = child_input(running, plan, index, item, self.items.source())?;
        let bytes = limits::size(&value);
        Ok(Some((value, bytes, nondeterministic)))
    }
}

fn batch_of(input: &Option<Value>, items: Vec<Value>) -> Value {
    let mut whole = Map::new();
    if let Some(input) = input {
        whole.insert("BatchInput".into(), input.clone());
    }
    whole.insert("Items".into(), items.into());
    Value::Object(whole)
}

fn too_large(item: u64) -> Failure {
    let cause = format!(
        "The input that item {item} makes for its child exceeds the maximum number of bytes service limit."
    );
    Failure::new(DATA_LIMIT_EXCEEDED, cause)
}
