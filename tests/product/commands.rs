//! The output of the commands.

use testing::{Api, HttpServer, JobFile, Raw, ReceivedRequest, Scene, response_with};

#[test]
fn init_writes_a_job_that_passes_check() {
    let scene = Scene::new("", "in.csv", "address\nBaker Street 221b\nUnter den Linden\n");
    scene.run(&["init", "places"]).expect(0);
    let checked = scene.run(&["check", "places.toml", "in.csv", "--lines", "1"]).expect(0);
    for part in [
        "is valid",
        "2 lines of csv",
        "GET https://api.example.com/v1/places?q=Baker%20Street%20221b",
        "api.example.com",
        "10/s",
        "0.2 s",
    ] {
        assert!(checked.stdout.contains(part), "{part}\n{}", checked.stdout);
    }
    assert!(!checked.stdout.contains("Unter"), "one request was asked for");
    let again = scene.run(&["init", "places"]).expect(1);
    assert!(again.stderr.contains("places.toml exists and is not overwritten"), "{}", again.stderr);
    scene.run(&["init", "nowhere/x"]).expect(1);
}

#[test]
fn every_recipe_of_init_is_a_job_that_passes_check() {
    let inputs = [
        ("oauth2", "id\n7\n", "/v1/customers/7"),
        ("llm", "text\n\"a \"\"b\"\"\"\n", r#"a \"b\""#),
        ("links", "url\nhttps://example.com/x\n", "HEAD https://example.com/x"),
        ("graphql", "id\n7\n", r#""variables": {"id": "7"}"#),
        ("webhooks", "order,state\n7,new\n8,sent\n", "1 of 2 lines make no request"),
    ];
    let scene = Scene::new("", "in.csv", "");
    for (recipe, input, part) in inputs {
        scene.write("in.csv", input);
        scene.run(&["init", recipe, "--recipe", recipe]).expect(0);
        let checked = scene.run_with(&["check", &format!("{recipe}.toml"), "in.csv"], |command| {
            for name in ["CLIENT_ID", "CLIENT_SECRET", "API_KEY", "SIGNING_KEY"] {
                command.env(name, "value-of-a-secret");
            }
        });
        let checked = checked.expect(0).stdout;
        assert!(checked.contains("is valid") && checked.contains(part), "{recipe}: {checked}");
        assert!(!checked.contains("not valid JSON") && !checked.contains("will fail"), "{recipe}: {checked}");
    }
    let unknown = scene.run(&["init", "other", "--recipe", "nothing"]).expect(1).stderr;
    assert!(unknown.contains("oauth2") && unknown.contains("webhooks"), "{unknown}");
}

#[test]
fn check_sends_nothing_and_shows_lines_that_will_fail() {
    let api = Api::start();
    let job = JobFile::post(api.url("/ok/{{ id }}"))
        .request("body = '{\"id\": {{ id }}}'")
        .limit(api.host(), "rate = \"2/h\"");
    let scene = Scene::new(job, "in.csv", "id\n1\n2,3\n");
    let checked = scene.run(&["check", "job.toml", "in.csv"]).expect(0);
    for part in ["POST http://", r#"{"id": "1"}"#, "line 2  fails without a request: parse", "1 h 0 min"] {
        assert!(checked.stdout.contains(part), "{part}\n{}", checked.stdout);
    }
    assert_eq!(api.count(), 0);
    assert!(!scene.exists(".throughline"), "check leaves nothing behind");
}

#[test]
fn json_output_has_one_object_per_line() {
    let api = Api::start();
    let job = JobFile::get(api.url("/{{ kind }}/1"));
    let scene = Scene::new(job, "in.csv", "kind\nok\nnone\n");
    let ran = scene.run(&["run", "job.toml", "in.csv", "--json"]).expect(2);
    let events: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = events.last().unwrap();
    assert_eq!(summary["event"], "summary");
    assert_eq!((&summary["lines"], &summary["ok"], &summary["failed"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(summary["errors"][0]["code"], "http_404");
    assert_eq!(
        (&summary["exit_code"], &summary["requests_sent"], &summary["verdict"]),
        (&2.into(), &true.into(), &"some_failed".into())
    );
    assert!(events[..events.len() - 1].iter().all(|event| event["event"] == "progress"));
    // Without -o everything is in the state folder, where the design says.
    assert_eq!(summary["files"]["output"], format!(".throughline/jobs/{}/output/in.csv", scene.job_name()));
    let output = scene.read(summary["files"]["output"].as_str().unwrap());
    assert_eq!(output.lines().count(), 3);
    let report: serde_json::Value =
        serde_json::from_str(&scene.read(summary["files"]["report"].as_str().unwrap())).unwrap();
    assert_eq!(report["ok"], summary["ok"]);
    assert_eq!(report["verdict"], summary["verdict"]);
    // The same command again makes no request, and says so.
    let again = scene.run(&["run", "job.toml", "in.csv", "--json"]).expect(2);
    let summary: serde_json::Value = serde_json::from_str(again.stdout.trim_end()).unwrap();
    assert_eq!((&summary["event"], &summary["requests_sent"]), (&"summary".into(), &false.into()));
}

#[test]
fn every_command_ends_its_json_output_with_an_object_that_has_the_exit_code() {
    let scene = Scene::new("[request]\nurl = \"https://a.example/{{ line }}\"\n", "in.txt", "a\n");
    scene.write("bad.toml", "[request]\n");
    scene.write("archive.txt", b"PK\x03\x04");
    for (args, part) in [
        (&["run", "job.toml", "none.txt", "--json"][..], "none.txt"),
        (&["run", "none.toml", "in.txt", "--json"], "none.toml"),
        (&["run", "bad.toml", "in.txt", "--json"], "bad.toml:1:1"),
        (&["run", "job.toml", "--json"], "<INPUT>"),
        (&["run", "job.toml", "in.txt", "--json", "--colour"], "--colour"),
        (&["run", "job.toml", "archive.txt", "--json"], "ZIP"),
        (&["redrive", "job.toml", "in.txt", "--json"], "not been run"),
        (
            &[
                "watch",
                "nonsense",
                "--bucket",
                "b",
                "--region",
                "eu-west-1",
                "--endpoint-url",
                "http://127.0.0.1:1",
                "--json",
            ],
            "JOB/ID",
        ),
    ] {
        let ran = scene.run_with(args, |command| {
            command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        });
        let ran = ran.expect(1);
        let object =
            ran.stdout.lines().last().unwrap_or_else(|| panic!("{args:?} printed nothing\n{}", ran.stderr));
        let object: serde_json::Value = serde_json::from_str(object).unwrap();
        assert!(object["message"].as_str().unwrap().contains(part), "{args:?}\n{object}");
        assert_eq!(
            (&object["exit_code"], &object["requests_sent"]),
            (&1.into(), &false.into()),
            "{args:?}\n{object}"
        );
        assert!(matches!(object["event"].as_str(), Some("error" | "summary")), "{object}");
        assert!(ran.stderr.is_empty(), "{args:?}\n{}", ran.stderr);
    }
}

#[test]
fn terminal_report_json_and_exit_code_agree_on_the_verdict() {
    let api = Api::start();
    let job = |tolerated: &str| {
        JobFile::get(api.url("/{{ kind }}/1"))
            .unlimited("default")
            .tables(format!("[failure]\ntolerated = \"{tolerated}\""))
    };
    for (input, tolerated, code, verdict, words) in [
        ("kind\nok\nok\n", "100%", 0, "succeeded", "every line succeeded"),
        ("kind\nok\nnone\n", "100%", 2, "some_failed", "finished, some lines failed"),
        ("kind\nok\nnone\n", "60%", 2, "some_failed", "finished, some lines failed"),
        ("kind\nnone\nnone\n", "100%", 2, "some_failed", "finished, every line failed"),
        ("kind\nok\nnone\n", "10%", 3, "failed", "failed"),
    ] {
        let scene = Scene::new(job(tolerated), "in.csv", input);
        let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(code);
        assert!(ran.stdout.starts_with(&format!("in.csv: {words} in ")), "{}", ran.stdout);
        let report: serde_json::Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
        assert_eq!(report["verdict"], verdict);
        let again = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv", "--json"]).expect(code);
        let summary: serde_json::Value = serde_json::from_str(again.stdout.trim_end()).unwrap();
        assert_eq!((&summary["verdict"], &summary["exit_code"]), (&verdict.into(), &code.into()));
    }
}

#[test]
fn summary_says_when_no_request_was_made() {
    let scene = Scene::new("[request]\nurl = \"{{ line }}\"\n", "in.txt", "a.example\nb.example\n");
    let ran = scene.run(&["run", "job.toml", "in.txt", "-o", "out.csv"]).expect(2);
    for part in ["finished, every line failed", "no request was made now"] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
}

#[test]
fn summary_names_reasons_and_files() {
    let api = Api::start();
    let job = JobFile::get(api.url("/{{ kind }}/1"));
    let scene = Scene::new(job, "in.csv", "kind\nok\nnone\n");
    let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    for part in [
        "in.csv: finished, some lines failed",
        "http_404",
        "line 2",
        "out.csv",
        "failed  out.failed.csv",
        "report  out.report.json",
        "redrive",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
}

#[test]
fn check_estimates_the_cost_of_a_run_on_aws() {
    let job = "[request]\nurl = \"https://api.example.com/{{ line }}\"\n[limits.\"api.example.com\"]\nrate = \"100/s\"\nin_flight = 250\n";
    let scene = Scene::new(job, "in.txt", "a\nb\n");
    let without = scene.run(&["check", "job.toml", "in.txt"]).expect(0);
    assert!(!without.stdout.contains("dollars"));
    let with = scene.run(&["check", "job.toml", "in.txt", "--cost"]).expect(0);
    for part in
        ["Step Functions, state transitions", "Lambda, GB-seconds", "S3, PUT and LIST", "total", "us-east-1"]
    {
        assert!(with.stdout.contains(part), "{part}\n{}", with.stdout);
    }
    assert!(!with.stdout.contains("warning"), "{}", with.stdout);
    assert!(with.stdout.contains("data out to the internet, GB"), "{}", with.stdout);
    assert!(!with.stdout.contains("NAT"), "{}", with.stdout);
    let nat = scene.run(&["check", "job.toml", "in.txt", "--cost", "--nat"]).expect(0);
    assert!(nat.stdout.contains("NAT gateway, hours") && nat.stdout.contains("2000 bytes"), "{}", nat.stdout);
    scene.run(&["check", "job.toml", "in.txt", "--nat"]).expect(1);
    let small = scene.run(&["check", "job.toml", "in.txt", "--cost", "--concurrency", "2"]).expect(0);
    assert!(small.stdout.contains("3 workers"), "{}", small.stdout);
}

/// The requests that `check` renders decide what data transfer costs.
#[test]
fn larger_requests_cost_more() {
    let dollars = |body: usize| {
        let job = format!(
            "[request]\nmethod = \"POST\"\nurl = \"https://api.example.com/{{{{ line }}}}\"\nbody = \"{}\"\n",
            "x".repeat(body)
        );
        let scene = Scene::new(job, "in.txt", "a\n".repeat(1000));
        let checked = scene.run(&["check", "job.toml", "in.txt", "--cost", "--json"]).expect(0);
        let checked: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
        checked["dollars"].as_f64().unwrap()
    };
    let more = dollars(100_000) - dollars(0);
    assert!((more - 0.009).abs() < 1e-6, "100 MB more at 9 cents a gigabyte: {more}");
}

#[test]
fn aws_commands_name_missing_settings() {
    let scene = Scene::new("[request]\nurl = \"https://api.example.com/{{ line }}\"\n", "in.txt", "a\n");
    let run = |args: &[&str], environment: &[(&str, &str)]| {
        let alone = |command: &mut std::process::Command| {
            let home = scene.path("");
            command
                .env_clear()
                .env("HOME", home)
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .envs(environment.iter().copied());
        };
        scene.start_with(args, alone).wait().expect(1).stderr
    };
    let key = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    assert!(run(&["watch", "a/b"], &key).contains("--bucket"));
    assert!(run(&["redrive", "a/b"], &key).contains("--bucket"));
    assert!(run(&["watch", "a/b", "--bucket", "b"], &key).contains("--region"));
    assert!(
        run(&["submit", "job.toml", "in.txt", "--bucket", "b", "--region", "eu-west-1"], &[])
            .contains("no AWS credentials: set AWS_PROFILE")
    );
    let here = ["--bucket", "b", "--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:1"];
    assert!(run(&[&["stop", "nonsense"], &here[..]].concat(), &key).contains("JOB/ID"));
    let unreachable = run(&[&["submit", "job.toml", "in.txt"], &here[..]].concat(), &key);
    for part in ["s3://b/jobs/", "cannot reach http://127.0.0.1:1: ", "Connection refused"] {
        assert!(unreachable.contains(part), "{part}\n{unreachable}");
    }
    assert!(!unreachable.contains("dispatch"), "{unreachable}");
    let alone = run(&[&["submit", "job.toml", "in.txt", "-o", "out.csv"], &here[..]].concat(), &key);
    assert!(alone.contains("-o needs --watch"), "{alone}");
    scene.write("empty.dat", "");
    let empty = run(&[&["submit", "job.toml", "empty.dat"], &here[..]].concat(), &key);
    assert!(empty.contains("empty.dat is empty") && empty.contains(".jsonl"), "{empty}");
    let unreachable = run(&[&["watch", "a/b"], &here[..]].concat(), &key);
    assert!(unreachable.contains("cannot reach http://127.0.0.1:1: "), "{unreachable}");
    scene.write(
        "job.toml",
        "[request]\nurl = \"https://api.example.com/{{ secret.K }}\"\n[secrets]\nK = \"file:k\"\n",
    );
    assert!(run(&[&["submit", "job.toml", "in.txt"], &here[..]].concat(), &key).contains("/throughline/"));
}

#[test]
fn missing_bucket_is_named_with_its_region() {
    let store = |head: &'static str, code: &str| -> HttpServer {
        let body = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        let length = body.len();
        let response =
            format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        HttpServer::raw(Raw::Write(response.into_bytes()))
    };
    let scene = Scene::new("[request]\nurl = \"https://api.example.com/{{ line }}\"\n", "in.txt", "a\n");
    let cases = [
        (store("404 Not Found", "NoSuchBucket"), "there is no bucket nope in us-east-1"),
        (
            store("301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1", "PermanentRedirect"),
            "the bucket nope is in eu-west-1, and not in us-east-1",
        ),
    ];
    for (store, words) in cases {
        let endpoint = store.url("");
        for command in
            [&["submit", "job.toml", "in.txt"][..], &["watch", "a/b"], &["stop", "a/b"], &["redrive", "a/b"]]
        {
            let args = [command, &["--bucket", "nope", "--region", "us-east-1", "--endpoint-url", &endpoint]]
                .concat();
            let ran = scene.run_with(&args, |command| {
                command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
            });
            let ran = ran.expect(1);
            assert!(ran.stderr.contains(words), "{command:?}\n{}", ran.stderr);
        }
    }
}

#[test]
fn submit_says_with_the_upload_what_happens_to_earlier_responses() {
    let store = HttpServer::start(|_, request: &ReceivedRequest| {
        let begins = request.uri.contains("?uploads");
        let xml = if begins {
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        } else if request.method == "POST" {
            "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"
        } else {
            ""
        };
        response_with(200, &[("etag", "\"e\""), ("x-amz-version-id", "v")], xml)
    });
    let scene = Scene::new("[request]\nurl = \"https://api.example.com/{{ line }}\"\n", "small.txt", "a\n");
    scene.write("large.txt", "a line of text\n".repeat(400_000));
    let endpoint = store.url("");
    for (file, method) in [("small.txt", "PUT"), ("large.txt", "POST")] {
        for (flags, said) in
            [(&["--continue"][..], Some("continue")), (&["--fresh"], Some("fresh")), (&[], None)]
        {
            store.forget();
            let options = ["--bucket", "b", "--region", "us-east-1", "--endpoint-url", &endpoint];
            let args = [&["submit", "job.toml", file][..], &options, flags].concat();
            let ran = scene.run_with(&args, |command| {
                command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
            });
            ran.expect(0);
            let requests = store.requests();
            let begins = requests.iter().find(|request| {
                request.method == method && request.path().ends_with(&format!("/input/{file}"))
            });
            assert_eq!(begins.unwrap().header("x-amz-meta-again"), said, "{file} {flags:?}");
        }
    }
}
