//! A killed POST job reports `outcome_unknown` for lines that were sent, and for few others.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testing::{Api, JobFile, Scene, column, wait_until};

/// A rate, the requests that a process sends before it is killed, and the lines a kill may leave unknown on average although
/// the server never saw them.
const RATES: [(u32, usize, usize); 3] = [(2, 3, 1), (50, 20, 1), (500, 150, 25)];

#[test]
fn killed_post_job_leaves_few_unsent_lines_unknown() {
    for (seed, tally) in (1..).zip(all(5)) {
        println!("seed {seed}: {tally}");
        tally.holds();
    }
}

/// Kills this number of processes at each rate.
pub fn all(kills: usize) -> Vec<Unknown> {
    (1..).zip(RATES).map(|(seed, (rate, requests, each))| killed(seed, kills, rate, requests, each)).collect()
}

/// The lines of one POST job after many kills.
#[derive(Debug)]
pub struct Unknown {
    rate: u32,
    kills: usize,
    /// Lines whose outcome is unknown.
    unknown: usize,
    /// Lines with an unknown outcome that the server never received.
    never_sent: usize,
    most: usize,
    /// Lines that the server received twice.
    twice: usize,
}

impl Unknown {
    #[track_caller]
    pub fn holds(&self) {
        assert!(self.never_sent <= self.most && self.twice == 0, "{self}");
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, kills, unknown, never_sent, most, twice } = self;
        write!(
            f,
            "{kills} kills at {rate}/s: {unknown} unknown, {never_sent} of them never sent (at most {most}), {twice} sent twice"
        )
    }
}

fn killed(seed: u64, kills: usize, rate: u32, requests: usize, each: usize) -> Unknown {
    let api = Api::start();
    let job = JobFile::post(api.url("/ok/{{ id }}"))
        .request("body = \"x\"")
        .limit(api.host(), format!("rate = \"{rate}/s\""));
    // Each kill leaves at most as many lines unknown as the process has sent.
    let lines = kills * (2 * requests + 2 * each) + 10;
    let input: String =
        std::iter::once("id\n".to_owned()).chain((0..lines).map(|n| format!("{n}\n"))).collect();
    let scene = Scene::new(job, "in.csv", input);
    let run = ["run", "job.toml", "in.csv", "-o", "out.csv"];
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..kills {
        let until = api.count() + rng.random_range(requests / 2..=requests);
        let running = scene.start(&run);
        wait_until("requests", || api.count() >= until);
        // Any moment between two requests.
        std::thread::sleep(Duration::from_secs_f64(rng.random_range(0.0..1.0 / f64::from(rate))));
        running.kill();
    }
    scene.run(&run).expect(2);
    let (output, hits) = (scene.read("out.csv"), api.hits());
    let seen = |id: &String| hits.get(&format!("/ok/{id}")).copied().unwrap_or(0);
    let (ids, errors) = (column(&output, "id"), column(&output, "error"));
    assert_eq!(ids.len(), lines);
    let unknown: Vec<_> =
        ids.iter().zip(&errors).filter(|(_, error)| *error == "outcome_unknown").map(|(id, _)| id).collect();
    assert!(errors.iter().all(|error| matches!(error.as_str(), "" | "outcome_unknown")));
    Unknown {
        rate,
        kills,
        unknown: unknown.len(),
        never_sent: unknown.iter().filter(|id| seen(id) == 0).count(),
        most: kills * each,
        twice: ids.iter().filter(|id| seen(id) > 1).count(),
    }
}
