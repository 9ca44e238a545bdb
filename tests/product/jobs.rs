//! Job files with errors and runs that cannot start: an error that names its place, and no request.

use testing::{Api, JobFile, Scene, column};

#[test]
fn job_errors_name_their_place() {
    for (job, place, part) in [
        ("[request]\nurl = \"http://h/\"\nretries = 3\n", "job.toml:3:1", "retries"),
        ("[request]\nurl = \"http://h/{{ nope }}\"\n", "job.toml:2:20", "it has: id"),
        ("[request]\nurl = \"http://h/\"\n[limits.\"h\"]\nrate = \"quick\"\n", "job.toml:4:8", "not a rate"),
        ("[request]\nurl = \"http://h/\"\n[limits.\"h\"]\nrate = \"0/s\"\n", "job.toml:4:8", "never send"),
        (
            "[request]\nurl = \"http://h/\"\n[limits.\"h\"]\nrate = \"1/s\"\nin_flight = 0\n",
            "job.toml:5:13",
            "from 1",
        ),
        (
            "[request]\nurl = \"http://h/\"\n[output]\ncolumns = { x = \"$..[\" }\n",
            "job.toml:4:17",
            "JSONPath",
        ),
        (
            "[request]\nurl = \"http://h/\"\nheaders = { a = \"{{ secret.NOT_SET_ANYWHERE }}\" }\n",
            "job.toml:3:21",
            "NOT_SET_ANYWHERE",
        ),
        (
            "[request]\nurl = \"http://h/\"\n[output]\ncolumns = { id = \"$.id\" }\n",
            "job.toml:4:13",
            "also a column of the input",
        ),
    ] {
        let scene = Scene::new(job, "in.csv", "id\n1\n");
        let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(1);
        assert!(ran.stderr.contains(place) && ran.stderr.contains(part), "{job}\n{}", ran.stderr);
        assert!(!scene.exists("out.csv"));
    }
}

#[test]
fn run_that_cannot_start_says_why() {
    let job = "[request]\nurl = \"http://h/\"\n";
    let scene = Scene::new(job, "in.csv", "id\n1\n");
    scene.write("bad.csv.gz", b"\x1f\x8b\x08nonsense");
    std::fs::create_dir(scene.path("folder")).unwrap();
    for (args, part) in [
        (&["run", "job.toml", "none.csv"][..], "none.csv"),
        (&["run", "none.toml", "in.csv"], "none.toml"),
        (&["run", "job.toml", "folder"], "it is a folder"),
        (&["check", "job.toml", "folder"], "it is a folder"),
        (&["check", "job.toml", "/dev/null"], "not a file"),
        (&["run", "job.toml", "/dev/null"], "not a file"),
        (&["run", "job.toml", "in.csv", "-o", "nowhere/out.csv"], "no folder"),
        (&["run", "job.toml", "in.csv", "-o", "in.csv"], "is the input"),
        (&["run", "job.toml", "bad.csv.gz"], "cannot be read"),
        (&["run", "job.toml"], "INPUT"),
        (&["run", "job.toml", "in.csv", "--color"], "--color"),
        (&["redrive", "job.toml", "in.csv"], "not been run"),
    ] {
        let ran = scene.run(args).expect(1);
        assert!(ran.stderr.contains(part), "{args:?}\n{}", ran.stderr);
    }
}

#[test]
fn a_wrong_key_costs_about_a_hundred_requests() {
    let api = Api::start();
    let job = JobFile::get(api.url("/status/401")).unlimited(api.host());
    let input: String =
        std::iter::once("id\n".to_owned()).chain((0..5_000).map(|n| format!("{n}\n"))).collect();
    let scene = Scene::new(job, "in.csv", input);
    let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(3);
    assert!(api.count() <= 200, "{} requests", api.count());
    assert!(ran.stdout.contains("http_401"), "{}", ran.stdout);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "id"), (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(column(&output, "error").iter().all(|error| matches!(error.as_str(), "http_401" | "stopped")));
}

#[test]
fn too_many_failures_stop_the_run_and_keep_its_results() {
    let api = Api::start();
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}"))
        .unlimited(api.host())
        .tables("[failure]\ntolerated = \"5%\"");
    let kinds = |n: u32| if n.is_multiple_of(3) { ("status", 404) } else { ("ok", n) };
    let input: String = std::iter::once("kind,id\n".to_owned())
        .chain((0..300).map(|n| {
            let (kind, id) = kinds(n);
            format!("{kind},{id}\n")
        }))
        .collect();
    let scene = Scene::new(job, "in.csv", input);
    let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(3);
    assert!(ran.stdout.contains("http_404"), "{}", ran.stdout);
    let errors = column(&scene.read("out.csv"), "error");
    assert_eq!(errors.iter().filter(|error| *error == "http_404").count(), 100);
    assert_eq!(errors.iter().filter(|error| error.is_empty()).count(), 200);
}

#[test]
fn secrets_appear_in_no_output_and_no_file() {
    let api = Api::start();
    let secret = "s3cr3t-of-the-test-0123456789";
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}?key={{ secret.K }}"))
        .request("headers = { authorization = \"Bearer {{ secret.K }}\" }")
        .request("timeout = \"2s\"")
        .tables("[retry]\nattempts = 1")
        .tables("[secrets]\nK = \"file:key.txt\"");
    let scene = Scene::new(job, "in.csv", "kind,id\nok,1\nstatus,500\nloop,1\nto,https:~~example.com~\n");
    scene.write("key.txt", format!("{secret}\n"));
    let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv", "--json"]).expect(2);
    let checked = scene.run(&["check", "job.toml", "in.csv"]).expect(0);
    assert!(checked.stdout.contains("Bearer ***"), "{}", checked.stdout);
    assert!(
        api.requests().iter().any(|seen| seen.headers["authorization"].to_str().unwrap().contains(secret)),
        "it was sent"
    );
    for text in [&ran.stdout, &ran.stderr, &checked.stdout, &checked.stderr] {
        assert!(!text.contains(secret), "{text}");
    }
    for file in scene.files().into_iter().filter(|file| !file.ends_with("key.txt")) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
    }
}
