//! A run that has ended in some way, and copies of its folder in which commands continue it.

use std::collections::BTreeSet;
use std::process::Command;

use testing::{Api, Output, Scene, wait_until};

use super::request::{Counts, Job, Line, counts, input, key_of, lines};

/// How the run before ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Interrupted,
    WithFailures,
    WithSuccess,
}

/// A folder with a run that has ended.
pub(super) struct Prepared {
    pub(super) api: Api,
    pub(super) ended: Ended,
    pub(super) job: Job,
    /// The requests that have arrived.
    pub(super) arrived: Counts,
    /// Those whose response is stored.
    pub(super) kept: Counts,
    scene: Scene,
}

pub(super) const RUN: [&str; 5] = ["run", "places.toml", "in.csv", "-o", "out.csv"];

impl Prepared {
    pub(super) fn new(ended: Ended, method: &'static str) -> Self {
        Self::of(ended, Job::new(method))
    }

    pub(super) fn of(ended: Ended, job: Job) -> Self {
        let api = Api::start();
        let scene = Scene::named("places", job.text(&api), "in.csv", input(&lines()));
        match ended {
            Ended::Interrupted => {
                api.respond_only(5);
                let running = scene.start_with(&RUN, |command| _ = command.env("KEY", "first"));
                wait_until("five stored responses", || api.count() == 7 && stored(&scene).len() == 5);
                running.kill();
                api.respond_all();
            }
            Ended::WithFailures => {
                api.set_broken(true);
                run(&scene, &RUN, "first").expect(2);
                api.set_broken(false);
            }
            Ended::WithSuccess => _ = run(&scene, &RUN, "first").expect(0),
        }
        let kept = stored(&scene).into_iter().map(|n| job.key(&lines()[n]));
        let arrived = counts(api.requests().iter().map(key_of));
        Self { kept: counts(kept), arrived, api, ended, job, scene }
    }

    /// A copy of the folder with an edited job and input. Forgets the requests of other copies.
    pub(super) fn copy(&self, job: &Job, file: &str, lines: &[Line]) -> Scene {
        let copy = Scene::new("", "in.csv", "");
        let (from, to) = (self.scene.path("."), copy.path("."));
        assert!(Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
        copy.write("places.toml", job.text(&self.api));
        if let Some((folder, _)) = file.rsplit_once('/') {
            std::fs::create_dir(copy.path(folder)).unwrap();
        }
        copy.write(file, input(lines));
        self.api.forget();
        copy
    }

    /// The requests that have arrived since the copy was made.
    pub(super) fn sent(&self) -> Counts {
        counts(self.api.requests().iter().map(key_of))
    }
}

/// Runs a command with a value of the secret.
pub(super) fn run(scene: &Scene, args: &[&str], key: &str) -> Output {
    scene.run_with(args, |command| _ = command.env("KEY", key))
}

/// The number of lines whose success the run that began last has, kept ones included.
pub(super) fn stored_in_latest(scene: &Scene) -> usize {
    let latest = scene.path(".throughline/runs/places/latest/in.csv.json");
    let Ok(latest) = std::fs::read_to_string(latest) else { return 0 };
    let latest: serde_json::Value = serde_json::from_str(&latest).unwrap();
    let folder = format!("/runs/places/{}/results/", latest["run"].as_str().unwrap());
    let names = scene.files().into_iter().map(|file| file.to_string_lossy().into_owned());
    let names = names.filter(|name| name.contains(&folder) && name.ends_with(".jsonl"));
    // <invocation>-<k>-<ok>-<failed>-<throttled>-<sent>.jsonl
    names.map(|name| name.rsplit('-').nth(3).unwrap().parse::<usize>().unwrap()).sum()
}

/// The lines, from 0, whose success is stored.
pub(super) fn stored(scene: &Scene) -> BTreeSet<usize> {
    let mut stored = BTreeSet::new();
    for file in scene.files() {
        let name = file.to_string_lossy().into_owned();
        if name.contains("/results/") && name.ends_with(".jsonl") {
            for line in std::fs::read_to_string(&file).unwrap().lines() {
                let result: serde_json::Value = serde_json::from_str(line).unwrap();
                if result["error"].is_null() {
                    stored.insert(result["n"].as_u64().unwrap() as usize - 1);
                }
            }
        }
    }
    stored
}
