//! The result files of a Map Run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::generator::MapPlan;
use crate::host::Simulated;

pub(super) struct Files {
    pub(super) items: BTreeMap<String, &'static str>,
    twice: Vec<String>,
    /// Files whose sizes differ from the manifest.
    sizes: Vec<String>,
    aborted: u64,
    /// Files next to the manifest that it does not name.
    unnamed: Vec<String>,
    /// Whether the manifest is the final one.
    pub(super) are_all: bool,
}

impl Files {
    pub(super) fn read(host: &Simulated, manifest_key: &str) -> Self {
        let objects = host.objects.lock().unwrap();
        let manifest: Value = serde_json::from_slice(&objects[manifest_key]).unwrap();
        let folder = manifest_key.strip_suffix("manifest.json").unwrap();
        let mut unnamed: BTreeSet<&String> =
            objects.keys().filter(|key| key.starts_with(folder) && *key != manifest_key).collect();
        let mut files = Self {
            items: BTreeMap::new(),
            twice: Vec::new(),
            sizes: Vec::new(),
            aborted: 0,
            unnamed: Vec::new(),
            are_all: false,
        };
        for kind in ["SUCCEEDED", "FAILED", "PENDING"] {
            files.are_all |= manifest["ResultFiles"][kind] != json!([]);
            for file in manifest["ResultFiles"][kind].as_array().unwrap() {
                let key = format!("out/{}", file["Key"].as_str().unwrap());
                unnamed.remove(&key);
                let Some(body) = objects.get(&key) else {
                    files.sizes.push(format!("{} is not there", file["Key"]));
                    continue;
                };
                if body.len() as u64 != file["Size"] {
                    files.sizes.push(file["Key"].to_string());
                }
                let records: Vec<Value> = match body.first() {
                    Some(b'[') => serde_json::from_slice(body).unwrap(),
                    _ => serde_json::Deserializer::from_slice(body).into_iter().map(Result::unwrap).collect(),
                };
                records.iter().for_each(|record| files.add(kind, record));
            }
        }
        files.unnamed = unnamed.into_iter().cloned().collect();
        files
    }

    fn add(&mut self, kind: &'static str, record: &Value) {
        let input: Value =
            serde_json::from_str(record["Input"].as_str().unwrap_or_else(|| panic!("{kind}: {record}")))
                .unwrap();
        let items = input["Items"].as_array().cloned().unwrap_or_else(|| vec![input]);
        for item in items {
            let id = item["id"].as_str().unwrap().to_owned();
            let aborted = record["Status"] == "ABORTED";
            self.aborted += u64::from(aborted);
            if self.items.insert(id.clone(), if aborted { "ABORTED" } else { kind }).is_some() {
                self.twice.push(id);
            }
        }
    }

    pub(super) fn check(
        &self,
        label: &str,
        plan: &MapPlan,
        failed: u64,
        exceeded: bool,
        wrong: &mut Vec<String>,
    ) {
        let of = |fate: &str| self.items.values().filter(|found| **found == fate).count() as u64;
        let places: BTreeSet<u64> =
            self.items.keys().map(|id| id.rsplit_once('.').unwrap().1.parse().unwrap()).collect();
        if !self.twice.is_empty() {
            wrong.push(format!("{label}: items have two outcomes: {:?}", self.twice));
        }
        if places != (0..plan.items).collect() {
            wrong.push(format!("{label}: of {} items, the files have {places:?}", plan.items));
        }
        if !self.sizes.is_empty() {
            wrong.push(format!("{label}: files are not as long as the manifest says: {:?}", self.sizes));
        }
        if !self.unnamed.is_empty() {
            wrong.push(format!("{label}: the manifest does not name {:?}", self.unnamed));
        }
        // More items may have failed while the rest was aborted.
        let fails = of("FAILED");
        if fails < failed || (!exceeded && (fails > failed || of("PENDING") + self.aborted > 0)) {
            wrong.push(format!("{label}: {failed} items failed, and the files have {:?}", self.items));
        }
    }
}
