//! A redrive sends only failed lines.

use serde_json::json;
use testing::{Api, HttpServer, JobFile, Output, ReceivedRequest, Scene, column, response};

fn scene(api: &Api) -> Scene {
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}")).unlimited(api.host()).column("twice", "$.twice");
    let input: String = std::iter::once("kind,id\n".to_owned())
        .chain((0..400).map(|n| format!("{},{n}\n", if n % 4 == 0 { "flaky" } else { "ok" })))
        .collect();
    Scene::new(job, "in.csv", input)
}

#[test]
fn only_failed_lines_are_sent_again_and_the_output_is_complete() {
    let api = Api::start();
    let scene = scene(&api);
    let args = |command| [command, "job.toml", "in.csv", "-o", "out.csv"];
    api.set_broken(true);
    let ran = scene.run(&args("run")).expect(2);
    assert!(ran.stdout.contains("http_404"), "{}", ran.stdout);
    assert_eq!(scene.read("out.failed.csv").lines().count(), 101);
    assert_eq!(api.count(), 400);
    scene.run(&args("redrive")).expect(2);
    assert_eq!(api.count(), 500, "a redrive that fails again can be redriven again");
    api.set_broken(false);
    scene.run(&args("redrive")).expect(0);
    assert_eq!(api.count(), 600);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "id"), (0..400).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(column(&output, "error").iter().all(String::is_empty));
    assert!(column(&output, "twice").iter().zip(0..).all(|(twice, n)| *twice == format!("{n}{n}")));
    assert!(!scene.exists("out.failed.csv"), "nothing failed");
    scene.run(&args("redrive")).expect(0);
    scene.run(&args("run")).expect(0);
    assert_eq!(api.count(), 600, "there was nothing left to send");
}

#[test]
fn failed_file_can_be_an_input() {
    let api = Api::start();
    let scene = scene(&api);
    api.set_broken(true);
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    api.set_broken(false);
    let args = ["run", "job.toml", "out.failed.csv", "-o", "again.csv"];
    let ran = scene.run(&args).expect(0);
    assert!(ran.stderr.contains("`throughline redrive job.toml in.csv`"), "{}", ran.stderr);
    let ran = scene.run(&[&args[..], &["--json"]].concat()).expect(0);
    let warning: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert!(warning["event"] == "warning" && warning["message"].as_str().unwrap().contains("in.csv"));
    let again = scene.read("again.csv");
    assert_eq!(column(&again, "id"), (0..400).step_by(4).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn failed_lines_that_are_mended_in_the_input_complete_the_output() {
    let api = Api::start();
    let scene = scene(&api);
    api.set_broken(true);
    for (command, from, to) in [("redrive", "flaky,", "ok,mended-"), ("run", "ok,mended-3", "ok,more-3")] {
        scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]);
        let before = api.hits();
        let failed = column(&scene.read("out.csv"), "error").iter().filter(|error| !error.is_empty()).count();
        let mended = scene.read("in.csv").replace(from, to);
        scene.write("in.csv", &mended);
        let ran = scene.run(&[command, "job.toml", "in.csv", "-o", "out.csv", "--continue"]).expect(0);
        let sent = api.hits().into_iter().filter(|(path, hits)| before.get(path) != Some(hits));
        let sent: Vec<String> = sent.map(|(path, _)| path).collect();
        let lines: Vec<&str> = mended.lines().filter(|line| line.starts_with(to)).collect();
        assert_eq!(sent.len(), lines.len(), "only these are sent: {}", ran.stderr);
        assert!(failed == 0 || failed == lines.len(), "{failed}");
        let output = scene.read("out.csv");
        let ids: Vec<&str> = mended.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
        assert_eq!(column(&output, "id"), ids);
        assert_eq!(column(&output, "twice"), ids.iter().map(|id| format!("{id}{id}")).collect::<Vec<_>>());
        assert!(!scene.exists("out.failed.csv"));
    }
}

/// S3 and Step Functions as commands on AWS use them: the objects are the files of a state folder, and every
/// execution has ended with this status and can be started no more.
fn aws(scene: &Scene, status: &'static str) -> HttpServer {
    let state = scene.path(".throughline");
    HttpServer::start(move |_, request: &ReceivedRequest| {
        if let Some(target) = request.header("x-amz-target") {
            let input = json!({ "detail": { "object": { "key": "jobs/places/input/in.csv" } } }).to_string();
            let output = json!({ "failed": 0 }).to_string();
            let ended = json!({ "executionArn": "e", "stateMachineArn": "m", "startDate": 1, "status": status, "input": input, "output": output });
            return match target.ends_with(".DescribeExecution") {
                true => response(200, &ended.to_string()),
                false => response(400, r#"{"__type":"AccessDeniedException","message":"not now"}"#),
            };
        }
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let prefix = query.split('&').find_map(|part| part.strip_prefix("prefix="));
        let Some(prefix) = prefix.map(|prefix| prefix.replace("%2F", "/")) else {
            let found = std::fs::read_to_string(state.join(path.strip_prefix("/b/").unwrap_or("none")));
            let missing = "<Error><Code>NoSuchKey</Code></Error>";
            return found.map_or_else(|_| response(404, missing), |text| response(200, &text));
        };
        let (folder, _) = prefix.rsplit_once('/').unwrap();
        let names = std::fs::read_dir(state.join(folder)).into_iter().flatten();
        let keys = names.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
        let contents = keys
            .filter(|key| key.starts_with(&prefix))
            .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size><ETag>e</ETag></Contents>"));
        let contents: String = contents.collect();
        response(
            200,
            &format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"),
        )
    })
}

/// Runs a command with the options of this AWS.
fn on_aws(scene: &Scene, aws: &HttpServer, args: &[&str]) -> Output {
    let endpoint = aws.url("");
    let options = ["--bucket", "b", "--region", "us-east-1", "--endpoint-url", &endpoint];
    scene.run_with(&[args, &options[..]].concat(), |command| {
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    })
}

/// The id of the last run of the job `places` and its file.
fn latest(scene: &Scene) -> String {
    let latest = scene.read(".throughline/runs/places/latest/in.csv.json");
    let latest: serde_json::Value = serde_json::from_str(&latest).unwrap();
    format!("places/{}", latest["run"].as_str().unwrap())
}

#[test]
fn watch_that_is_asked_for_an_output_which_was_replaced_fails() {
    let api = Api::start();
    let job = JobFile::get(api.url("/ok/{{ id }}")).unlimited(api.host());
    let scene = Scene::named("places", job, "in.csv", "id\n1\n");
    scene.run(&["run", "places.toml", "in.csv", "-o", "out.csv"]).expect(0);
    let run = latest(&scene);
    let aws = aws(&scene, "SUCCEEDED");
    let watched = on_aws(&scene, &aws, &["watch", &run, "-o", "saved.csv"]).expect(0);
    assert_eq!(scene.read("saved.csv"), scene.read("out.csv"), "{}", watched.stderr);
    scene.write("in.csv", "id\n2\n");
    scene.run(&["run", "places.toml", "in.csv", "-o", "out.csv", "--fresh"]).expect(0);
    on_aws(&scene, &aws, &["watch", &run]).expect(0);
    let refused = on_aws(&scene, &aws, &["watch", &run, "-o", "later.csv"]).expect(3);
    let said = refused.stdout + &refused.stderr;
    assert!(said.contains("replaced by a later upload of in.csv, so there is nothing to save"), "{said}");
    assert!(!scene.exists("later.csv"));
}

#[test]
fn redrive_on_aws_says_that_it_does_not_use_a_mended_job() {
    let api = Api::start();
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}")).unlimited(api.host());
    let scene = Scene::named("places", job, "in.csv", "kind,id\nflaky,1\n");
    api.set_broken(true);
    scene.run(&["run", "places.toml", "in.csv"]).expect(2);
    let run = latest(&scene);
    let aws = aws(&scene, "FAILED");
    let redrive = |more: &[&str]| {
        let ran = on_aws(&scene, &aws, &[&["redrive", &run], more].concat()).expect(1);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains("not now"), "{}{}", ran.stdout, ran.stderr);
        ran
    };
    assert!(!redrive(&[]).stderr.contains("began with"));
    scene.write(".throughline/jobs/places/job.toml", "mended");
    let ran = redrive(&[]);
    for part in [&format!("the run {run} began with"), "throughline submit JOB in.csv --continue --bucket b"]
    {
        assert!(ran.stderr.contains(part), "{part}\n{}", ran.stderr);
    }
    let ran = redrive(&["--json"]);
    let warning: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert!(warning["event"] == "warning" && warning["message"].as_str().unwrap().contains("began with"));
}
