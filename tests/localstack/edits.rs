//! A job or a file that is edited between two uploads of a file of the same name: which lines are sent again.

use std::collections::HashMap;

use serde_json::Value;
use testing::{Api, JobFile, Output, Scene, column, wait_until};

use crate::stack::stack;

const LINES: usize = 40;

/// A job with a name of its own, so that tests do not wait for each other. Every fourth line fails while the API
/// is broken.
struct Case {
    api: Api,
    scene: Scene,
    name: &'static str,
}

impl Case {
    fn new(name: &'static str) -> Self {
        let api = Api::start();
        Self { scene: Scene::named(name, job(""), "in.csv", lines(&api, LINES)), api, name }
    }

    fn edit_job(&self, header: &str) {
        self.scene.write(&format!("{}.toml", self.name), job(header).to_string());
    }

    fn edit_input(&self, count: usize) {
        self.scene.write("in.csv", lines(&self.api, count));
    }

    /// Uploads the job and the file, and waits for the end of the run.
    fn submit(&self, options: &[&str]) -> Output {
        let job = format!("{}.toml", self.name);
        let command = ["submit", &job, "in.csv", "--watch", "-o", "out.csv"];
        stack().run(&self.scene, &[&command[..], options].concat())
    }

    /// Uploads the job and the file, and returns the run.
    fn start(&self) -> String {
        stack().submit(&self.scene, &format!("{}.toml", self.name), "in.csv")
    }

    /// The lines that were sent since `before`.
    fn sent_since(&self, before: &HashMap<String, usize>) -> usize {
        let hits = self.api.hits();
        hits.iter().map(|(path, hits)| hits - before.get(path).copied().unwrap_or(0)).sum()
    }

    /// Every line has its own response, and the report says how many are of the run before.
    fn is_complete(&self, count: usize, kept: usize) {
        let twice = column(&self.scene.read("out.csv"), "twice");
        assert_eq!(twice, (1..=count).map(|n| format!("{n}{n}")).collect::<Vec<_>>());
        let report: Value = serde_json::from_str(&self.scene.read("out.report.json")).unwrap();
        let found = report["kept"].as_u64().unwrap_or(0);
        assert_eq!((&report["lines"], found), (&count.into(), kept as u64), "{report}");
    }

    /// What the metadata of the upload says about the responses of the run before.
    fn again(&self) -> Option<String> {
        let key = format!("jobs/{}/input/in.csv", self.name);
        let head = stack().s3.head_object().bucket(&stack().bucket).key(key);
        let head = stack().runtime.block_on(head.send()).unwrap();
        head.metadata().and_then(|metadata| metadata.get("again").cloned())
    }
}

fn job(header: &str) -> JobFile {
    let job = JobFile::get("{{ url }}").column("twice", "$.twice").request("timeout = \"1s\"");
    let job = job.limit("default", "rate = \"unlimited\"\nin_flight = 5");
    if header.is_empty() { job } else { job.request(format!("headers = {{ version = \"{header}\" }}")) }
}

fn lines(api: &Api, count: usize) -> String {
    (1..=count).fold("url\n".to_owned(), |text, n| {
        let kind = if n.is_multiple_of(4) { "flaky" } else { "ok" };
        text + &api.url(&format!("/{kind}/{n}")) + "\n"
    })
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn run_with_failed_lines_is_continued_by_the_next_upload_of_the_same_content() {
    let case = Case::new("edit-failed");
    case.api.set_broken(true);
    case.submit(&[]).expect(2);
    case.api.set_broken(false);
    let before = case.api.hits();
    let job = case.scene.read("edit-failed.toml");
    case.scene.write("edit-failed.toml", format!("# A comment.\n{job}"));
    case.submit(&[]).expect(0);
    assert_eq!(case.sent_since(&before), LINES / 4);
    case.is_complete(LINES, LINES - LINES / 4);
    assert_eq!(case.again(), None);
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn run_that_has_succeeded_is_continued_if_the_upload_says_so() {
    let case = Case::new("edit-grown");
    case.submit(&[]).expect(0);
    let before = case.api.hits();
    case.edit_input(LINES + 2);
    case.submit(&["--continue"]).expect(0);
    assert_eq!((case.sent_since(&before), case.again().as_deref()), (2, Some("continue")));
    case.is_complete(LINES + 2, LINES);
    // Without a word, new content is a new run.
    let before = case.api.hits();
    case.edit_input(LINES + 3);
    case.submit(&[]).expect(0);
    assert_eq!((case.sent_since(&before), case.again()), (LINES + 3, None));
    case.is_complete(LINES + 3, 0);
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn edited_requests_after_success_are_a_doubt_until_the_upload_decides() {
    let case = Case::new("edit-doubt");
    case.submit(&[]).expect(0);
    let before = case.api.hits();
    case.edit_job("2");
    let refused = case.submit(&[]).expect(1);
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("Run.Doubtful") && said.contains("--fresh"), "{said}");
    let report: Value =
        serde_json::from_str(&stack().find("jobs/edit-doubt/report/in.csv.json").unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["error"]), (&"not_started".into(), &"Run.Doubtful".into()));
    assert_eq!(case.sent_since(&before), 0);
    case.submit(&["--fresh"]).expect(0);
    assert_eq!((case.sent_since(&before), case.again().as_deref()), (LINES, Some("fresh")));
    case.is_complete(LINES, 0);
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn stopped_run_is_continued_after_an_edit_of_its_job() {
    let case = Case::new("edit-stopped");
    case.api.respond_only(20);
    let run = case.start();
    wait_until("some responses", || case.api.count() > 20);
    stack().run(&case.scene, &["stop", &run]).expect(0);
    // The worker sees the marker at its next flush, and waits for the requests that are under way.
    stack().run(&case.scene, &["watch", &run, "-o", "out.csv"]).expect(3);
    case.api.respond_all();
    let errors = column(&case.scene.read("out.csv"), "error");
    let kept = errors.iter().filter(|error| error.is_empty()).count();
    assert!((20..LINES).contains(&kept), "{errors:?}");
    continues(&case, kept);
}

#[test]
#[ignore = "needs LocalStack, see README.md here; waits until the workers of an aborted run must have ended"]
fn aborted_run_is_continued_after_an_edit_of_its_job() {
    let case = Case::new("edit-aborted");
    case.api.respond_only(20);
    let run = case.start();
    wait_until("stored responses", || !stack().keys(&format!("runs/{run}/results/")).is_empty());
    let stop = stack().states.stop_execution().execution_arn(stack().execution(&run).unwrap());
    stack().runtime.block_on(stop.send()).unwrap();
    case.api.respond_all();
    // The workers go on for as long as they may, and what they store counts.
    let job = case.scene.read("edit-aborted.toml");
    case.scene.write("edit-aborted.toml", format!("# A comment.\n{job}"));
    case.submit(&[]).expect(0);
    let report: Value = serde_json::from_str(&case.scene.read("out.report.json")).unwrap();
    let kept = usize::try_from(report["kept"].as_u64().unwrap()).unwrap();
    assert!(kept > 0, "{report}");
    case.is_complete(LINES, kept);
    assert_eq!(report["requests"], LINES - kept, "the other lines are sent once");
}

/// The next upload keeps the responses of an edited job, and sends the lines that have none.
fn continues(case: &Case, kept: usize) {
    let before = case.api.hits();
    let job = case.scene.read(&format!("{}.toml", case.name));
    case.scene.write(&format!("{}.toml", case.name), job.replace("in_flight = 5", "in_flight = 7"));
    case.submit(&[]).expect(0);
    assert_eq!(case.sent_since(&before), LINES - kept);
    case.is_complete(LINES, kept);
}
