//! What the user chooses: flags, the job file, the terminal, a redrive, and edits that are undone.

use serde_json::Value;
use testing::{Output, column, wait_until};

use super::request::{Counts, Job, Line, counts, lines};
use super::scenes::{Ended, Prepared, RUN, run};
use crate::terminal::Terminal;

fn with_new_line() -> Vec<Line> {
    [lines(), vec![Line::new("new")]].concat()
}

fn only_new(job: &Job) -> Counts {
    counts([job.key(&Line::new("new"))])
}

fn all(job: &Job, lines: &[Line]) -> Counts {
    counts(lines.iter().map(|line| job.key(line)))
}

fn with(flag: &'static str) -> Vec<&'static str> {
    [&RUN[..], &[flag]].concat()
}

fn last_event(ran: &Output) -> Value {
    serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn continue_and_fresh_are_a_usage_error_together() {
    let prepared = Prepared::new(Ended::WithSuccess, "GET");
    let scene = prepared.copy(&prepared.job, "in.csv", &lines());
    let ran = run(&scene, &[&RUN[..], &["--continue", "--fresh"]].concat(), "first").expect(1);
    assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
    assert_eq!(prepared.sent(), Counts::new());
}

#[test]
fn flags_decide_what_a_finished_run_with_other_content_keeps() {
    let prepared = Prepared::new(Ended::WithSuccess, "POST");
    let job = &prepared.job;
    let scene = prepared.copy(job, "in.csv", &with_new_line());
    let ran = run(&scene, &with("--json"), "first").expect(1);
    let event = last_event(&ran);
    assert_eq!(
        (&event["event"], &event["error"], &event["requests_sent"], &event["verdict"]),
        (&"summary".into(), &"Run.Doubtful".into(), &false.into(), &"not_started".into()),
        "{event}"
    );
    for part in ["12 responses", "--continue", "--fresh"] {
        assert!(event["message"].as_str().unwrap().contains(part), "{event}");
    }
    run(&scene, &with("--continue"), "first").expect(0);
    assert_eq!(prepared.sent(), only_new(job));
    // From now on it is the run of this content.
    let again = run(&scene, &RUN, "first").expect(0);
    assert!(again.stdout.contains("no request was made"), "{}", again.stdout);
    assert_eq!(prepared.sent(), only_new(job));

    let scene = prepared.copy(job, "in.csv", &with_new_line());
    run(&scene, &with("--fresh"), "first").expect(0);
    assert_eq!(prepared.sent(), all(job, &with_new_line()));
}

#[test]
fn job_file_decides_what_a_finished_run_with_other_content_keeps() {
    let prepared = Prepared::new(Ended::WithSuccess, "GET");
    for (again, sent) in [("continue", 1), ("fresh", 13)] {
        let tables =
            if again == "continue" { "[run]\nagain = \"continue\"" } else { "[run]\nagain = \"fresh\"" };
        let job = Job { tables, ..prepared.job.clone() };
        let scene = prepared.copy(&job, "in.csv", &with_new_line());
        run(&scene, &RUN, "first").expect(0);
        assert_eq!(prepared.sent().values().sum::<usize>(), sent, "{again}");
    }
    // It throws away nothing of a run that has not finished.
    let prepared = Prepared::new(Ended::Interrupted, "GET");
    let job = Job { tables: "[run]\nagain = \"fresh\"", ..prepared.job.clone() };
    let scene = prepared.copy(&job, "in.csv", &lines());
    run(&scene, &RUN, "first").expect(0);
    assert_eq!(prepared.sent().values().sum::<usize>(), 12 - 5);
}

#[test]
fn report_and_events_say_what_was_kept() {
    let prepared = Prepared::new(Ended::WithFailures, "GET");
    let job = Job { tables: "# A comment.", ..prepared.job.clone() };
    let scene = prepared.copy(&job, "in.csv", &lines());
    let ran = run(&scene, &with("--json"), "first").expect(0);
    let events: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let continues = events.iter().find(|event| event["event"] == "continues").unwrap();
    assert_eq!((&continues["kept"], &continues["to_send"]), (&9.into(), &3.into()), "{continues}");
    let summary = events.last().unwrap();
    assert_eq!((&summary["kept"], &summary["ok"]), (&9.into(), &12.into()), "{summary}");
    assert_eq!(summary["requests"], 3, "{summary}");
    let from = summary["kept_from"].as_str().unwrap();
    assert!(from.starts_with("20") && from.ends_with('Z'), "{from}");
    let mut progress =
        events.iter().filter(|event| event["event"] == "progress" && event["phase"] == "sending");
    assert!(progress.all(|event| event["done_before"] == 9 && event["total"]["done"].as_u64().unwrap() >= 9));
    let again = run(&scene, &RUN, "first").expect(0);
    assert!(again.stdout.contains("9 responses kept from 20"), "{}", again.stdout);
}

#[test]
fn edit_that_is_undone_continues_the_later_run() {
    let prepared = Prepared::new(Ended::Interrupted, "GET");
    let edited = Job { tables: "# A comment.", ..prepared.job.clone() };
    let scene = prepared.copy(&edited, "in.csv", &lines());
    prepared.api.respond_only(3);
    let running = scene.start_with(&RUN, |command| _ = command.env("KEY", "first"));
    wait_until("three more stored responses", || super::scenes::stored_in_latest(&scene) == 8);
    running.kill();
    prepared.api.respond_all();
    scene.write("places.toml", prepared.job.text(&prepared.api));
    prepared.api.forget();
    let ran = run(&scene, &RUN, "first").expect(0);
    assert!(ran.stderr.contains("8 responses kept, 4 lines to send"), "{}", ran.stderr);
    assert_eq!(prepared.sent().values().sum::<usize>(), 4);
    // And once more, after it has finished.
    for job in [&edited, &prepared.job, &edited] {
        scene.write("places.toml", job.text(&prepared.api));
        let ran = run(&scene, &RUN, "first").expect(0);
        assert!(ran.stderr.contains("12 responses kept, 0 lines to send"), "{}", ran.stderr);
    }
    assert_eq!(prepared.sent().values().sum::<usize>(), 4);
    assert_eq!(
        column(&scene.read("out.csv"), "got"),
        lines().iter().map(|line| line.id.clone()).collect::<Vec<_>>()
    );
}

#[test]
fn doubt_about_an_edit_ends_when_the_edit_is_undone() {
    let prepared = Prepared::new(Ended::WithSuccess, "POST");
    let edited = Job { header: "2", ..prepared.job.clone() };
    let scene = prepared.copy(&edited, "in.csv", &lines());
    run(&scene, &RUN, "first").expect(1);
    scene.write("places.toml", prepared.job.text(&prepared.api));
    let ran = run(&scene, &RUN, "first").expect(0);
    assert!(ran.stdout.contains("no request was made"), "{}", ran.stdout);
    assert_eq!(prepared.sent(), Counts::new());
}

#[test]
fn columns_are_made_from_kept_bodies() {
    let kept: &[(&str, &str)] = &[("whole", "body")];
    let base = Job { columns: kept, ..Job::new("POST") };
    for ended in [Ended::Interrupted, Ended::WithFailures, Ended::WithSuccess] {
        let prepared = Prepared::of(ended, base.clone());
        let job = Job { columns: &[("twice", "$.twice")], ..base.clone() };
        let scene = prepared.copy(&job, "in.csv", &lines());
        let ran = run(&scene, &RUN, "first");
        assert!(matches!(ran.code, 0 | 2), "{ended:?}: {}", ran.stderr);
        let output = scene.read("out.csv");
        for ((id, twice), error) in
            column(&output, "id").iter().zip(column(&output, "twice")).zip(column(&output, "error"))
        {
            assert!(twice == format!("{id}{id}") || error == "outcome_unknown", "{ended:?}: {output}");
        }
        let kept: usize = prepared.kept.values().sum();
        assert!(prepared.sent().values().sum::<usize>() <= 12 - kept, "{ended:?}");
        assert!(prepared.sent().keys().all(|key| !prepared.kept.contains_key(key)), "{ended:?}");
    }
}

#[test]
fn redrive_sends_the_failed_lines_with_the_job_and_the_file_as_they_are_now() {
    let prepared = Prepared::new(Ended::WithFailures, "POST");
    let job = Job { tables: "[retry]\nattempts = 2", ..prepared.job.clone() };
    // The first of the failed lines is corrected.
    let mut mended = lines();
    mended[0] = Line::new("mended");
    let scene = prepared.copy(&job, "in.csv", &mended);
    let redrive = RUN.map(|arg| if arg == "run" { "redrive" } else { arg });
    let ran = run(&scene, &redrive, "first").expect(0);
    assert!(ran.stderr.contains("as they are now"), "{}", ran.stderr);
    let sent = [&mended[0], &mended[4], &mended[8]].map(|line| job.key(line));
    assert_eq!(prepared.sent(), counts(sent));
    assert_eq!(
        column(&scene.read("out.csv"), "got"),
        mended.iter().map(|line| line.id.clone()).collect::<Vec<_>>()
    );
    let ran = run(&scene, &redrive, "first").expect(0);
    assert!(ran.stdout.contains("no request was made"), "{}", ran.stdout);
    assert_eq!(prepared.sent().values().sum::<usize>(), 3);
}

#[test]
fn redrive_includes_unknown_lines_of_the_run_before_only_when_asked() {
    let prepared = Prepared::new(Ended::Interrupted, "POST");
    let job = Job { tables: "# A comment.", ..prepared.job.clone() };
    let redrive = RUN.map(|arg| if arg == "run" { "redrive" } else { arg });
    let scene = prepared.copy(&job, "in.csv", &lines());
    run(&scene, &redrive, "first").expect(2);
    let errors = column(&scene.read("out.csv"), "error");
    let unknown = errors.iter().filter(|error| *error == "outcome_unknown").count();
    assert!(unknown > 0);
    assert_eq!(prepared.sent().values().sum::<usize>(), 12 - 5 - unknown);
    let scene = prepared.copy(&job, "in.csv", &lines());
    run(&scene, &[&redrive[..], &["--include-unknown"]].concat(), "first").expect(0);
    assert_eq!(prepared.sent().values().sum::<usize>(), 12 - 5);
}

#[test]
fn terminal_asks_and_goes_on_as_the_user_says() {
    let prepared = Prepared::new(Ended::WithSuccess, "GET");
    for (typed, sent, shown) in [
        ("k\n", 1, "every line succeeded"),
        ("what?\nsend all\n", 13, "every line succeeded"),
        ("c\n", 0, "cancelled: nothing was sent"),
        ("\u{3}", 0, "interrupted before the first request"),
    ] {
        let scene = prepared.copy(&prepared.job, "in.csv", &with_new_line());
        let mut terminal = Terminal::start(&scene, &RUN, 40, 160, &[("KEY", "first")]);
        terminal.wait_for("the question", |rows| rows.iter().any(|row| row.starts_with("> ")));
        let question = terminal.written();
        for part in ["12 responses", "k: keep the responses, a: send all lines again, c: cancel"] {
            assert!(question.contains(part), "{part}: {question}");
        }
        assert_eq!(prepared.sent(), Counts::new());
        terminal.write(typed);
        terminal.wait_for(shown, |rows| rows.iter().any(|row| row.contains(shown)));
        terminal.wait();
        assert_eq!(prepared.sent().values().sum::<usize>(), sent, "{typed:?}");
    }
}

#[test]
fn doubt_that_only_a_fresh_run_ends_offers_no_other_choice() {
    let prepared = Prepared::new(Ended::WithSuccess, "GET");
    let job = Job { columns: &[("twice", "$.twice")], ..prepared.job.clone() };
    let scene = prepared.copy(&job, "in.csv", &lines());
    let terminal = Terminal::start(&scene, &RUN, 40, 160, &[("KEY", "first")]);
    terminal.wait_for("the question", |rows| rows.iter().any(|row| row.starts_with("> ")));
    terminal.write("k\n");
    terminal.wait_for("the choices again", |rows| {
        rows.iter().filter(|row| row.starts_with("a: send all lines again, c: cancel")).count() == 2
    });
    terminal.write("a\n");
    terminal.wait_for("the summary", |rows| rows.iter().any(|row| row.contains("every line succeeded")));
    assert_eq!(prepared.sent(), all(&job, &lines()));
}

#[test]
fn values_of_secrets_are_not_in_the_state_folder() {
    let prepared = Prepared::new(Ended::WithSuccess, "GET");
    let scene = prepared.copy(&prepared.job, "in.csv", &lines());
    let key = "a-value-that-nobody-else-has";
    run(&scene, &RUN, key).expect(1);
    let hash = blake3::hash(key.as_bytes()).to_hex();
    let mut fingerprints = 0;
    for file in scene.files() {
        let content = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        assert!(!content.contains(key) && !content.contains(&hash[..16]), "{}", file.display());
        fingerprints += usize::from(content.contains("\"secrets\":{\"KEY\":\""));
    }
    assert!(fingerprints > 0);
}
