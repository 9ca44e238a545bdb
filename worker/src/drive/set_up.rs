//! Puts the lines of a batch into queues.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use job::file::Limit;
use job::run::{KeyPace, WorkRequest, pause_after};
use job::wire::SKIPPED;
use job::{Code, Invocation, Job, LineId, StepError};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Drive;
use super::quotas::Quotas;
use crate::batch::{Earlier, EarlierResults, Items, Parsed, Rules};
use crate::canary::Canary;
use crate::context::Context;
use crate::intents::IntentLog;
use crate::lane_control::Controlled;
use crate::pace::{Now, Wall};
use crate::packing::Packer;
use crate::parcel::{Line, ParcelId, Parcels};
use crate::providers::{Providers, Share};
use crate::response::Sender;
use crate::result_line::{self, Figures};
use crate::results::{BatchFolder, ResultWriter, Tally};
use crate::retry::RetryState;
use crate::run::Run;
use crate::schedule::{Key, KeyLimit, Schedule};

impl<'a> Drive<'a> {
    /// Counts the lines that have a result, fails those that cannot be sent, and queues the rest.
    pub(crate) fn new(
        context: &'a Context,
        run: Arc<Run>,
        request: &'a WorkRequest,
        items: Items,
        earlier: EarlierResults,
        stop: CancellationToken,
    ) -> Result<Self, StepError> {
        let wall = Wall::start();
        let now = wall.now();
        let lane = request.lane.name.as_str();
        let lane_limit = run.lane_limit(lane)?;
        let controlled = context.lanes.as_ref();
        let controlled =
            controlled.map(|lanes| Controlled::new(lanes, lane, &lane_limit.limit, lane_limit.workers));
        let rate = controlled.as_ref().map_or(lane_limit.limit.rate, Controlled::rate);
        let limit = Limit { rate, ..lane_limit.limit };
        let quotas = Quotas::new(context, &run, &lane_limit);
        let (cost, learns) =
            (lane_limit.rules.cost.clone(), lane_limit.rules.learn.then_some(lane_limit.workers));
        let repeatable = run.job.repeatable();
        #[expect(clippy::cast_possible_truncation, reason = "a random number")]
        let random = context.rng.next_u64() as u32;
        let invocation = Invocation::new(run.generation, now.millis, random);
        let prefix = run.keys.batch_results(lane, request.batch.first);
        let folder = Arc::new(BatchFolder::new(run.objects.clone(), prefix, invocation));
        let mut results = ResultWriter::new(run.clone(), lane, folder.clone());
        let intents = if repeatable {
            IntentLog::off(folder)
        } else {
            IntentLog::new(folder, earlier.keys(), context.settings.intents)
        };
        let mut keys = Keys {
            run: &run,
            providers: context.providers.as_deref(),
            limit,
            pace: &request.pace.keys,
            intents: intents.is_on(),
            by_name: HashMap::new(),
        };
        let rules = Rules {
            generation: run.generation,
            include_unknown: run.include_unknown,
            only: &run.only,
            repeatable,
        };
        let tries: HashMap<LineId, u32> = request.pace.tries.iter().copied().collect();
        let (mut schedule, mut parcels) = (Schedule::default(), Parcels::default());
        schedule.set_lookahead(intents.lookahead());
        let (mut new_failures, mut skipped) = (0, 0);
        let mut packer = run.job.packing.as_ref().map(Packer::new);
        for parsed in items.parse() {
            let Parsed { item, fields } = parsed?;
            let figures = Figures { n: item.n, at: now.millis, ..Figures::default() };
            let before = earlier.of(item.n, rules);
            let is_unknown = before == Earlier::Unknown;
            let begun = earlier.begun(item.n, rules, run.job.steps(), is_unknown);
            let before = if is_unknown && begun.is_some() { Earlier::Nothing } else { before };
            if let (Some(packer), None) = (&mut packer, &item.error) {
                let line = Line { n: item.n, fields: fields.clone() };
                packer.add(line, before == Earlier::Nothing);
            }
            match (before, &item.error) {
                (Earlier::Succeeded, _) => results.found(None),
                (Earlier::Failed(code), _) => results.found(Some(code)),
                (Earlier::Nothing, None) if packer.is_some() => {}
                (Earlier::Nothing, None) => {
                    let key = keys.index(
                        lane_limit.provider.or(item.key.as_deref()).unwrap_or_default(),
                        &mut schedule,
                        now,
                    );
                    let attempts = tries.get(&item.n).copied().unwrap_or(0);
                    let retry = RetryState { attempts, ..RetryState::default() };
                    parcels.push([Line { n: item.n, fields }], key, retry);
                    parcels.last().begun = begun;
                }
                (_, Some(error)) if error == SKIPPED => {
                    results.succeeded(item.n, result_line::success(figures, &[], b"[]"));
                    skipped += 1;
                }
                (_, Some(error)) => {
                    results.failed(
                        item.n,
                        error,
                        result_line::refused(figures, error, item.detail.as_deref()),
                    );
                    context.observer.failed(lane, item.n, error, item.detail.as_deref().unwrap_or_default());
                    new_failures += 1;
                }
                (Earlier::Unknown, None) => {
                    let detail = "it may have been sent before an interruption, and must not be sent twice";
                    let code = Code::OutcomeUnknown;
                    let row = items.row(&run.columns, &fields).ok();
                    let row = row.map(|row| run.job.row(row, || earlier.origins().drawn(&run, item.n)));
                    let id = row.and_then(|row| run.job.identity(&row));
                    let figures = Figures { id, ..figures };
                    results.failed(
                        item.n,
                        &code.to_string(),
                        result_line::failure(figures, &[], code, detail, None),
                    );
                    context.observer.failed(lane, item.n, &code.to_string(), detail);
                    new_failures += 1;
                }
            }
        }
        for lines in packer.map(Packer::finish).unwrap_or_default() {
            // All lines have one host and one limit, see `Job::check_packing`.
            let name = lane_limit.provider.or(run.job.request.fixed_host.as_deref()).unwrap_or_default();
            let key = keys.index(name, &mut schedule, now);
            let attempts = lines.iter().filter_map(|line| tries.get(&line.n)).max();
            let retry = RetryState { attempts: attempts.copied().unwrap_or(0), ..RetryState::default() };
            parcels.push(lines, key, retry);
        }
        let canary = canary(&run.job);
        for index in canary.order(parcels.len(), || context.rng.next_u64()) {
            let parcel = ParcelId::try_from(index).expect("a batch is smaller than 4 GiB");
            schedule.push(parcels[parcel].key, parcel, now.instant);
        }
        let Tally { ok, failed, .. } = results.tally();
        context.observer.found(lane, *ok - skipped, failed - new_failures);
        (0..skipped).for_each(|_| context.observer.finished(lane, true));
        (0..new_failures).for_each(|_| context.observer.finished(lane, false));
        Ok(Self {
            last_call: last_call(context, &run, now.instant),
            pause_after: pause_after(context.settings.pause_after, request.pace.pauses),
            pauses: request.pace.pauses,
            sender: Arc::new(Sender {
                job: run.job.clone(),
                output: run.output,
                mask: run.mask.clone(),
                guard: run.guard.clone(),
                connections: run.connections.clone(),
                signer: run.signer.clone(),
                budget: context.budget.clone(),
                wall,
                learns: learns.is_some(),
                tap: None,
            }),
            quotas,
            cost,
            learns,
            canary,
            controlled,
            context,
            stop,
            run,
            lane,
            batch: request.batch.first.number(),
            wall,
            items,
            origins: earlier.into_origins(),
            parcels,
            schedule,
            in_flight: JoinSet::new(),
            results,
            intents,
            halt: None,
        })
    }
}

/// The limit keys of a batch; each is added when its first line is read.
struct Keys<'a> {
    run: &'a Run,
    providers: Option<&'a Providers>,
    limit: Limit,
    pace: &'a BTreeMap<String, KeyPace>,
    intents: bool,
    by_name: HashMap<String, u32>,
}

impl Keys<'_> {
    fn index(&mut self, name: &str, schedule: &mut Schedule, now: Now) -> u32 {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let limit = KeyLimit::new(&self.limit, self.pace, name, self.run.known_keys.of(name), now);
        let is_host = self.run.job.limits.by.is_none();
        let share = self.providers.and_then(|providers| providers.of(name, is_host)).map(Share::new);
        let key = Key::new(name.to_owned(), limit, self.intents, now).shared(share);
        let index = schedule.add(key);
        self.by_name.insert(name.to_owned(), index);
        index
    }
}

/// A wrong key shows in the first responses. If lines choose their hosts and the job has no secrets, one
/// host's refusals say nothing about the others.
fn canary(job: &Job) -> Canary {
    if job.request.fixed_host.is_none() && !job.carries_secret() {
        Canary::disabled()
    } else {
        Canary::default()
    }
}

/// When to stop sending, so that requests under way and the last segment end before the deadline; half way if
/// the job's timeout is longer than the call.
fn last_call(context: &Context, run: &Run, now: Instant) -> Option<Instant> {
    let deadline = match context.ends {
        Some(ends) => ends.saturating_duration_since(now),
        None => context.settings.deadline?,
    };
    let margin = run.job.request.timeout + context.settings.flush_every;
    Some(now + deadline.saturating_sub(margin).max(deadline / 2))
}
