//! The edits, and what must be true after each of them.

use testing::{Output, Scene, column};

use super::request::{Counts, Job, Line, counts, lines};
use super::scenes::{Ended, Prepared, RUN, run};

/// An edit of a job, an input or a secret.
pub(super) struct Edit {
    name: &'static str,
    job: Job,
    lines: Vec<Line>,
    file: &'static str,
    key: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It changes no request and no line.
    Harmless,
    /// It changes requests or lines.
    Changes,
    /// It changes the value of a secret.
    Secret,
    /// It asks for a column that was not kept.
    LosesColumn,
}

pub(super) fn edits(method: &'static str) -> Vec<Edit> {
    let job = Job::new(method);
    let edit = |name, kind, job: &Job, lines: Vec<Line>| Edit {
        name,
        job: job.clone(),
        lines,
        file: "in.csv",
        key: "first",
        kind,
    };
    let of_job = |name, kind, job: Job| edit(name, kind, &job, lines());
    let of_input = |name, change: &dyn Fn(&mut Vec<Line>)| {
        let mut changed = lines();
        change(&mut changed);
        edit(name, Kind::Changes, &job, changed)
    };
    let other_method = if method == "GET" { "POST" } else { "PUT" };
    let next_month = || (0..12).map(|n| Line::new(format!("m{n}"))).collect();
    vec![
        of_job("a comment", Kind::Harmless, Job { tables: "# A comment.", ..job.clone() }),
        of_job("the rate", Kind::Harmless, Job { rate: "900/s", ..job.clone() }),
        of_job("the retries", Kind::Harmless, Job { tables: "[retry]\nattempts = 3", ..job.clone() }),
        of_job("the timeout", Kind::Harmless, Job { request: "timeout = \"9s\"", ..job.clone() }),
        of_job(
            "the tolerance",
            Kind::Harmless,
            Job { tables: "[failure]\ntolerated = \"99%\"", ..job.clone() },
        ),
        of_job(
            "the largest response",
            Kind::Harmless,
            Job { request: "max_response = \"1MiB\"", ..job.clone() },
        ),
        of_job("a kept column", Kind::Harmless, Job { columns: &[("status", "status")], ..job.clone() }),
        of_job("a column", Kind::LosesColumn, Job { columns: &[("twice", "$.twice")], ..job.clone() }),
        of_job("a header", Kind::Changes, Job { header: "2", ..job.clone() }),
        of_job("the URL", Kind::Changes, Job { query: "?v=2", ..job.clone() }),
        of_job("the body", Kind::Changes, Job { body: "second", ..job.clone() }),
        of_job("the method", Kind::Changes, Job { method: other_method, ..job.clone() }),
        Edit { key: "second", ..of_job("the value of a secret", Kind::Secret, job.clone()) },
        of_input("a line is appended", &|lines| lines.push(Line::new("new"))),
        of_input("a line is changed", &|lines| lines[5] = Line::new("new")),
        of_input("a line is deleted", &|lines| _ = lines.remove(2)),
        of_input("a line is inserted at the top", &|lines| lines.insert(0, Line::new("new"))),
        of_input("the lines are sorted", &|lines| lines.reverse()),
        of_input("the lines are doubled", &|lines| lines.extend_from_within(..)),
        of_input("a column that is in no request", &|lines| {
            lines.iter_mut().for_each(|line| line.note = "b")
        }),
        Edit { file: "other/in.csv", ..edit("another folder", Kind::Harmless, &job, lines()) },
        Edit { file: "other/in.csv", ..edit("the same name next month", Kind::Changes, &job, next_month()) },
    ]
}

/// Makes the edit in a copy of the folder, runs the command, and decides if it asks.
pub(super) fn every_line_is_right(prepared: &Prepared, edit: &Edit) {
    let Prepared { ended, job, .. } = prepared;
    let case = format!("{:?}, {}, {}", ended, job.method, edit.name);
    let scene = prepared.copy(&edit.job, edit.file, &edit.lines);
    let args = RUN.map(|arg| if arg == "in.csv" { edit.file } else { arg });
    let ran = run(&scene, &args, edit.key);
    if edit.name == "another folder" && *ended != Ended::Interrupted {
        // It is the same run, which has ended.
        assert!(matches!(ran.code, 0 | 2), "{case}: {}", ran.stderr);
        assert_eq!(prepared.sent(), Counts::new(), "{case}");
        return;
    }
    let asks = match edit.kind {
        Kind::Harmless => false,
        Kind::Changes => *ended == Ended::WithSuccess,
        Kind::Secret | Kind::LosesColumn => true,
    };
    if !asks {
        return check(&case, prepared, edit, &scene, ran);
    }
    refused(&case, prepared, ran);
    let keep = run(&scene, &[&args[..], &["--continue"]].concat(), edit.key);
    if edit.kind != Kind::LosesColumn {
        return check(&case, prepared, edit, &scene, keep);
    }
    refused(&case, prepared, keep);
    run(&scene, &[&args[..], &["--fresh"]].concat(), edit.key).expect(0);
    assert_eq!(prepared.sent(), counts(edit.lines.iter().map(|line| edit.job.key(line))), "{case}");
}

/// The command has sent nothing and says what to do.
fn refused(case: &str, prepared: &Prepared, ran: Output) {
    assert_eq!(ran.code, 1, "{case}\n{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("--fresh") && ran.stderr.contains("Run.Doubtful"), "{case}\n{}", ran.stderr);
    assert_eq!(prepared.sent(), Counts::new(), "{case}");
}

/// Every line has its own response or, after an interrupted POST, an unknown outcome; what was kept was not
/// sent again, and everything else was sent once.
fn check(case: &str, prepared: &Prepared, edit: &Edit, scene: &Scene, ran: Output) {
    let words = format!("{case}\n{}\n{}", ran.stdout, ran.stderr);
    assert!(matches!(ran.code, 0 | 2), "{words}");
    let output = scene.read("out.csv");
    let [ids, notes, got, errors] = ["id", "note", "got", "error"].map(|name| column(&output, name));
    assert_eq!(ids, edit.lines.iter().map(|line| line.id.clone()).collect::<Vec<_>>(), "{words}");
    assert_eq!(notes, edit.lines.iter().map(|line| line.note).collect::<Vec<_>>(), "{words}");
    let (wanted, sent) = (counts(edit.lines.iter().map(|line| edit.job.key(line))), prepared.sent());
    let mut unknown = Counts::new();
    for (at, line) in edit.lines.iter().enumerate() {
        match errors[at].as_str() {
            "" => assert_eq!(got[at], line.id, "{words}"),
            "outcome_unknown" => *unknown.entry(edit.job.key(line)).or_default() += 1,
            other => panic!("{other}: {words}"),
        }
    }
    assert_eq!(ran.code, if unknown.is_empty() { 0 } else { 2 }, "{words}");
    assert_eq!(scene.exists("out.failed.csv"), !unknown.is_empty(), "{words}");
    let may_be_unknown = prepared.ended == Ended::Interrupted && prepared.job.method == "POST";
    assert!(may_be_unknown || unknown.is_empty(), "{words}");
    let of = |counts: &Counts, key: &str| counts.get(key).copied().unwrap_or(0);
    let mut kept = 0;
    for (key, wanted) in &wanted {
        let keeps = of(&prepared.kept, key).min(*wanted);
        kept += keeps;
        assert_eq!(of(&sent, key), wanted - keeps - of(&unknown, key), "{key}: {words}");
        if may_be_unknown {
            let arrived = of(&prepared.arrived, key);
            assert!(of(&sent, key) + arrived <= (*wanted).max(arrived), "{key} was sent twice: {words}");
        }
    }
    assert!(sent.keys().all(|key| wanted.contains_key(key)), "{sent:?}: {words}");
    if edit.name == "another folder" {
        return;
    }
    let (kept, left) = (noun(kept, "response"), noun(sent.values().sum(), "line"));
    assert!(ran.stderr.contains("continues the run of 20"), "{words}");
    assert!(ran.stderr.contains(&format!(": {kept} kept")), "{kept}: {words}");
    assert!(ran.stderr.contains(&format!(", {left} to send")), "{left}: {words}");
}

fn noun(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
