//! The store and its failures.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use engine::{ObjectError, ObjectInfo};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use time::OffsetDateTime;

use super::Simulated;
use crate::generator::{Answer, StoreFault, Write};
use crate::rng::Rng;

/// Counts of the outcomes of calls.
#[derive(Default)]
pub(crate) struct StoreLog {
    calls: u64,
    pub(crate) refused_reads: u64,
    pub(crate) broken_bodies: u64,
    pub(crate) refused_pages: u64,
    pub(crate) failed_writes: u64,
    /// Objects and manifests of later attempts than the first.
    pub(crate) healed: u64,
    /// Map Runs that have begun to write results, by their UUIDs.
    settling: BTreeSet<String>,
    /// The events at which they wrote, and the events at which they wrote while children were left.
    pub(crate) settlement: Vec<u64>,
    pub(crate) midway: Vec<u64>,
    pub(crate) crashes_before_file: u64,
    pub(crate) crashes_after_file: u64,
    pub(crate) crashes_at_manifest: u64,
    /// Writes while children were left.
    pub(crate) crashes_midway: u64,
}

/// The number of objects in a page of a listing.
const PAGE: usize = 3;
const DOWN: &str = "the store is down";

impl Simulated {
    pub(super) async fn read(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ObjectError> {
        self.event().await;
        let fault = self.weather(25).map_or_else(
            || self.planned(key).filter(|fault| matches!(fault, StoreFault::Open | StoreFault::Middle(_))),
            |mut rng| {
                Some(if rng.percent(30) { StoreFault::Open } else { StoreFault::Middle(rng.below(100)) })
            },
        );
        let body = self.objects.lock().unwrap().get(&format!("{bucket}/{key}")).cloned();
        let body = body.ok_or_else(|| ObjectError(format!("no object {key}")))?;
        let mut log = self.store.lock().unwrap();
        let sound = match fault {
            Some(StoreFault::Middle(percent)) => body.len() * percent as usize / 100,
            Some(_) => {
                log.refused_reads += 1;
                return Err(ObjectError(DOWN.into()));
            }
            None => {
                log.healed += u64::from(place(key).1 > 0);
                body.len()
            }
        };
        let size = 5 + Rng::new((self.seed, key)).below(60) as usize;
        let mut chunks: Vec<_> = body[..sound].chunks(size).map(Bytes::copy_from_slice).map(Some).collect();
        chunks.extend(fault.map(|_| None));
        let host = self.me.upgrade().unwrap();
        let chunk = move |chunk: Option<Bytes>| {
            let host: Arc<Simulated> = host.clone();
            async move {
                host.event().await;
                chunk.ok_or_else(|| {
                    host.store.lock().unwrap().broken_bodies += 1;
                    io::Error::other(DOWN)
                })
            }
        };
        Ok(stream::iter(chunks).then(chunk).boxed())
    }

    pub(super) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.event().await;
        let (mut before, mut page) = (0, Vec::new());
        for (place, body) in self.objects.lock().unwrap().iter() {
            let Some(key) = place
                .strip_prefix(bucket)
                .and_then(|rest| rest.strip_prefix('/'))
                .filter(|key| key.starts_with(prefix))
            else {
                continue;
            };
            if after.is_some_and(|after| key <= after) {
                before += 1;
            } else if page.len() < PAGE {
                page.push(ObjectInfo {
                    key: key.into(),
                    size: body.len() as u64,
                    etag: "\"e\"".into(),
                    last_modified: OffsetDateTime::UNIX_EPOCH,
                    storage_class: "STANDARD".into(),
                });
            }
        }
        let number = u64::div_ceil(before, PAGE as u64);
        let fails = self.planned(prefix) == Some(StoreFault::Page(number)) || self.weather(15).is_some();
        let mut log = self.store.lock().unwrap();
        if fails {
            log.refused_pages += 1
        } else {
            log.healed += u64::from(place(prefix).1 > 0)
        }
        if fails { Err(ObjectError(DOWN.into())) } else { Ok(page) }
    }

    pub(super) async fn write(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.settling(key, false).await;
        let object = format!("{bucket}/{key}");
        let what = match key.rsplit('/').next().unwrap() {
            "manifest.json" if self.objects.lock().unwrap().contains_key(&object) => Some(Write::Manifest),
            "manifest.json" => Some(Write::Trial),
            file if file.starts_with("SUCCEEDED") => Some(Write::Succeeded),
            file if file.starts_with("FAILED") => Some(Write::Failed),
            _ => None,
        };
        let planned = self.planned(key).and_then(|fault| match fault {
            StoreFault::Write(failing, answer) if what == Some(failing) => Some(answer),
            _ => None,
        });
        let fault =
            planned.or_else(|| self.weather(12).map(|mut rng| rng.one_of(&[Answer::Refused, Answer::Lost])));
        if fault != Some(Answer::Refused) {
            self.objects.lock().unwrap().insert(object, body);
        }
        // The object is written, but the caller is told otherwise.
        self.settling(key, true).await;
        let mut log = self.store.lock().unwrap();
        if fault.is_some() {
            log.failed_writes += 1;
            return Err(ObjectError(DOWN.into()));
        }
        log.healed += u64::from(what == Some(Write::Manifest) && place(key).1 > 0);
        Ok(())
    }

    /// An event before or after an object of the results is written.
    async fn settling(&self, key: &str, is_written: bool) {
        let (folder, file) = key.rsplit_once('/').unwrap();
        let uuid = folder.rsplit('/').next().unwrap();
        let is_last = file == "manifest.json" && self.store.lock().unwrap().settling.contains(uuid);
        if file != "manifest.json" {
            self.store.lock().unwrap().settling.insert(uuid.to_owned());
        } else if !is_last {
            return self.event().await;
        }
        let runs_on =
            self.map_runs.lock().unwrap().iter().rev().find(|run| run.arn.ends_with(uuid)).is_some_and(
                |run| {
                    let (plan, items) = (&self.maps[place(key).0], run.items());
                    plan.is_big && items.succeeded + items.failed + items.timed_out < plan.items
                },
            );
        let next = self.events() + 1;
        if runs_on {
            self.store.lock().unwrap().midway.push(next)
        } else {
            self.store.lock().unwrap().settlement.push(next)
        }
        self.event_in(|host| {
            let mut log = host.store.lock().unwrap();
            let crashes = match (is_last, is_written) {
                (true, _) => &mut log.crashes_at_manifest,
                (false, false) => &mut log.crashes_before_file,
                (false, true) => &mut log.crashes_after_file,
            };
            *crashes += 1;
            log.crashes_midway += u64::from(runs_on);
        })
        .await;
    }

    fn planned(&self, key: &str) -> Option<StoreFault> {
        let (label, attempt) = place(key);
        let plan = self.maps.get(label).filter(|_| !self.foul_weather)?;
        plan.faults.get(attempt).copied().flatten()
    }

    /// Whether this call fails, if the store fails at random.
    fn weather(&self, percent: u64) -> Option<Rng> {
        let mut log = self.store.lock().unwrap();
        log.calls += 1;
        let mut rng = Rng::new((self.seed, "weather", log.calls));
        (self.foul_weather && rng.percent(percent)).then_some(rng)
    }
}

/// The label and the attempt of the Map in an object's name or prefix: `<label>.<attempt>/…`.
pub(crate) fn place(key: &str) -> (&str, usize) {
    let folder = key.split('/').next().unwrap();
    let (label, attempt) = folder.split_once('.').unwrap();
    (label, if attempt.is_empty() { 0 } else { attempt.parse().unwrap() })
}
