//! Job files and command lines, and the errors about them.

use std::process::Command;

use testing::{Api, JobFile, Output, Scene, column};

fn job(api: &Api) -> JobFile {
    JobFile::get(api.url("/ok/{{ id }}")).unlimited(api.host())
}

fn said(ran: &Output) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
fn errors_name_the_files_that_the_user_named() {
    let scene = Scene::new("", "in.csv", "id\n1\n");
    for folder in ["conf", "data"] {
        std::fs::create_dir(scene.path(folder)).unwrap();
    }
    scene.write(
        "conf/nightly.toml",
        "[request]\n# a comment\nurl = \"https://api.example.com/{{ adress }}\"\n",
    );
    scene.write("data/s.csv", "address,city\na,b\n");
    for command in ["run", "check"] {
        let wrong = scene.run(&[command, "conf/nightly.toml", "data/s.csv"]).expect(1);
        let said = said(&wrong);
        assert!(said.contains("conf/nightly.toml:3:35: ") && said.contains("is it address?"), "{said}");
        assert!(!said.contains("job.toml"), "{said}");
    }
    scene.write("conf/nightly.toml", "[request]\nurl = \"https://api.example.com/{{ address }}\"\n");
    scene.write("data/s.csv", "address,error\na,b\n");
    for command in ["run", "check"] {
        let said = said(&scene.run(&[command, "conf/nightly.toml", "data/s.csv"]).expect(1));
        assert!(said.contains("data/s.csv:1: the input has a column \"error\""), "{said}");
    }
    scene.write("conf/nightly.toml", "[request]\nurl = \"https://api.example.com/\"\ntimeout = 30\n");
    for command in ["run", "check", "redrive"] {
        let said = said(&scene.run(&[command, "conf/nightly.toml", "data/s.csv"]).expect(1));
        assert!(said.contains("conf/nightly.toml:3:11: ") && said.contains("timeout = \"30s\""), "{said}");
    }
}

#[test]
fn init_names_the_file_that_already_exists() {
    let scene = Scene::new("", "in.csv", "id\n1\n");
    scene.run(&["init", "geo"]).expect(0);
    scene.write("geo.toml", "mine");
    for name in ["geo", "geo.toml", "./geo"] {
        let again = scene.run(&["init", name]).expect(1);
        assert!(again.stderr.contains("geo.toml exists and is not overwritten"), "{}", again.stderr);
        assert_eq!(scene.read("geo.toml"), "mine");
    }
    std::fs::create_dir_all(scene.path("jobs/taken.toml")).unwrap();
    assert!(scene.run(&["init", "jobs/taken"]).expect(1).stderr.contains("jobs/taken.toml is a folder"));
    assert!(scene.run(&["init", "nowhere/geo"]).expect(1).stderr.contains("there is no folder nowhere/"));
    assert!(scene.run(&["init", "in.csv/geo"]).expect(1).stderr.contains("in.csv is not a folder"));
    assert!(
        scene.run(&["init", "jobs/geo"]).expect(0).stdout.contains("throughline check jobs/geo.toml INPUT")
    );
    scene.run(&["check", "jobs/geo.toml", "in.csv"]).expect(1);
    for name in ["", ".", "..", "jobs/", "a b", ".toml", "-"] {
        let refused = scene.run(&["init", "--", name]);
        assert_eq!(refused.code, i32::from(name != "-"), "{name}: {}", refused.stderr);
    }
}

#[test]
fn file_ending_of_the_output_decides_its_format() {
    let api = Api::start();
    let scene = Scene::new(job(&api).column("twice", "$.twice"), "in.csv", "id,note\n1,\"a\tb\\\"\n");
    for (output, expected) in [
        (
            "a.jsonl",
            "{\"id\":\"1\",\"note\":\"a\\tb\\\\\",\"twice\":\"11\",\"error\":null,\"error_detail\":null}\n",
        ),
        (
            "b.ndjson",
            "{\"id\":\"1\",\"note\":\"a\\tb\\\\\",\"twice\":\"11\",\"error\":null,\"error_detail\":null}\n",
        ),
        ("c.TSV", "id\tnote\ttwice\terror\terror_detail\n1\ta\\tb\\\\\t11\t\t\n"),
        ("d.csv", "id,note,twice,error,error_detail\n1,a\tb\\,11,,\n"),
        ("e", "id,note,twice,error,error_detail\n1,a\tb\\,11,,\n"),
        ("f.out", "id,note,twice,error,error_detail\n1,a\tb\\,11,,\n"),
    ] {
        scene
            .run(&["run", "job.toml", "in.csv", "-o", output, "--state", &format!("state-{output}")])
            .expect(0);
        assert_eq!(scene.read(output), expected, "{output}");
    }
    let sent = api.count();
    // The same run cannot be written in another format without sending again.
    let again =
        scene.run(&["run", "job.toml", "in.csv", "-o", "a.csv", "--state", "state-a.jsonl"]).expect(1);
    assert!(
        again.stderr.contains("the output of this run is JSONL") && again.stderr.contains("--fresh"),
        "{}",
        again.stderr
    );
    scene.run(&["run", "job.toml", "in.csv", "-o", "again.jsonl", "--state", "state-a.jsonl"]).expect(0);
    assert_eq!(scene.read("again.jsonl"), scene.read("a.jsonl"));
    assert_eq!(api.count(), sent);
    scene.run(&["run", "job.toml", "in.csv", "-o", "a.csv", "--state", "state-a.jsonl", "--fresh"]).expect(0);
    assert_eq!(scene.read("a.csv"), scene.read("d.csv"));
}

#[test]
fn unwritable_output_format_is_refused_before_the_first_request() {
    let api = Api::start();
    let scene = Scene::new(job(&api).output("format = \"csv\""), "in.csv", "id\n1\n");
    for name in ["x.parquet", "x.csv.xz", "x.json.zst", "x.xlsx", "x.json", "x.CSV.BZ2", "x.zip"] {
        let refused = scene.run(&["run", "job.toml", "in.csv", "-o", name]).expect(1);
        assert!(
            refused.stderr.contains(&format!("{name} cannot be written"))
                && refused.stderr.contains(".jsonl"),
            "{}",
            refused.stderr
        );
        assert!(!scene.exists(name) && !scene.exists(".throughline"), "{name}");
    }
    let contradiction = scene.run(&["run", "job.toml", "in.csv", "-o", "x.jsonl"]).expect(1);
    assert!(
        contradiction
            .stderr
            .contains("job.toml:5:1: the job says CSV, and the output x.jsonl is to be JSONL"),
        "{}",
        contradiction.stderr
    );
    scene.write("job.toml", job(&api).output("bom = true").to_string());
    let meaningless = scene.run(&["run", "job.toml", "in.csv", "-o", "x.jsonl"]).expect(1);
    assert!(meaningless.stderr.contains("job.toml:5:1: bom is for CSV and TSV"), "{}", meaningless.stderr);
    assert_eq!(api.count(), 0);
}

#[test]
fn urls_in_place_of_files_are_refused_with_a_way_out() {
    let scene = Scene::new("[request]\nurl = \"https://api.example.com/{{ id }}\"\n", "in.csv", "id\n1\n");
    for (args, part) in [
        (&["run", "job.toml", "s3://data/in.csv"][..], "copy it first: aws s3 cp s3://data/in.csv ."),
        (&["check", "job.toml", "s3://data/in.csv"], "copy it first: aws s3 cp s3://data/in.csv ."),
        (&["redrive", "job.toml", "s3://data/in.csv"], "copy it first: aws s3 cp s3://data/in.csv ."),
        (
            &["run", "job.toml", "https://example.com/in.csv"],
            "fetch it first: curl -LO https://example.com/in.csv",
        ),
        (&["check", "s3://data/job.toml", "in.csv"], "the job file is a file on this machine"),
        (
            &["run", "job.toml", "in.csv", "-o", "s3://data/out.csv"],
            "write a file, then copy it: aws s3 cp FILE s3://data/out.csv",
        ),
        (&["run", "job.toml", "in.csv", "-o", "https://example.com/out.csv"], "is not a file"),
    ] {
        let refused = scene.run(args).expect(1);
        assert!(refused.stderr.contains(part), "{args:?}\n{}", refused.stderr);
    }
    assert!(!scene.exists(".throughline"));
}

#[test]
fn byte_order_mark_and_line_end_of_a_secret_are_not_sent() {
    let api = Api::start();
    let text = job(&api).request("headers = { x-key = \"{{ secret.KEY }}\" }");
    for kept in ["hunter22\n", "\u{feff}hunter22\r\n"] {
        let scene = Scene::new(&text, "in.csv", "id\n1\n");
        scene
            .run_with(&["run", "job.toml", "in.csv", "-o", "out.csv"], |command| _ = command.env("KEY", kept))
            .expect(0);
        assert_eq!(api.requests().last().unwrap().headers["x-key"].as_bytes(), b"hunter22");
    }
    let sent = api.count();
    for (kept, part) in [
        ("hunter\n22", "the secret KEY has a line break within it"),
        (" \n", "the secret KEY"),
        ("a\u{200b}b", "U+200B"),
    ] {
        let scene = Scene::new(&text, "in.csv", "id\n1\n");
        let refused =
            scene.run_with(&["run", "job.toml", "in.csv"], |command| _ = command.env("KEY", kept)).expect(1);
        assert!(
            refused.stderr.contains(part) && refused.stderr.contains("job.toml:4:"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(api.count(), sent);
}

#[test]
fn column_names_may_be_non_ascii() {
    let api = Api::start();
    let text = job(&api).to_string().replace("{{ id }}", "{{ Größe }}-{{ row['Größe'] }}");
    let scene = Scene::new(&text, "in.csv", "Größe\n7 ü\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    assert_eq!(api.requests()[0].uri, "/ok/7%20%C3%BC-7%20%C3%BC");
    assert_eq!(column(&scene.read("out.csv"), "Größe"), ["7 ü"]);
    scene.write("job.toml", text.replace("{{ Größe }}", "{{ Grösse }}"));
    let wrong = scene.run(&["check", "job.toml", "in.csv"]).expect(1);
    assert!(wrong.stderr.contains("it has: Größe"), "{}", wrong.stderr);
}

#[test]
fn failed_file_with_a_byte_order_mark_can_be_an_input() {
    let api = Api::start();
    let text = job(&api)
        .output("bom = true\nguard_formulas = true")
        .column("twice", "$.twice")
        .to_string()
        .replace("/ok/", "/{{ kind }}/");
    let scene = Scene::new(&text, "in.csv", "id,kind\n=1,ok\n=2,none\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    assert!(
        scene
            .read("out.csv")
            .starts_with("\u{feff}id,kind,twice,error,error_detail\n'=1,ok,'=1=1,,\n'=2,none,,"),
        "{}",
        scene.read("out.csv")
    );
    assert_eq!(scene.read("out.failed.csv"), "\u{feff}id,kind\n=2,none\n");
    scene.run(&["run", "job.toml", "out.failed.csv", "-o", "again.csv"]).expect(2);
    assert_eq!(api.requests().last().unwrap().uri, "/none/%3D2");
}

/// The request would have twenty gigabytes and more.
#[test]
fn line_with_an_oversized_request_fails_alone() {
    let api = Api::start();
    let host = api.host();
    let text = JobFile::post(api.url("/ok/{{ id }}"))
        .request(
            "body = \"\"\"x{% for i in items %}{% for j in items %}{{ text }}{% endfor %}{% endfor %}\"\"\"",
        )
        .unlimited(host)
        .column("twice", "$.twice");
    let items = vec!["\"i\""; 300_000].join(",");
    let heavy = format!("{{\"id\":1,\"text\":\"{}\",\"items\":[{items}]}}", "t".repeat(6 << 20));
    let scene =
        Scene::new(&text, "in.jsonl", format!("{heavy}\n{{\"id\":2,\"text\":\"t\",\"items\":[1,2]}}\n"));
    let limited = format!(
        "ulimit -v 4000000; exec {} run job.toml in.jsonl -o out.jsonl",
        env!("CARGO_BIN_EXE_throughline")
    );
    let ran = Command::new("sh").args(["-c", &limited]).current_dir(scene.path("")).output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "{}", String::from_utf8_lossy(&ran.stderr));
    let output = scene.read("out.jsonl");
    let rows: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&rows[0]["error"], &rows[1]["twice"]), (&"render".into(), &"22".into()));
    assert!(
        rows[0]["error_detail"].as_str().unwrap().contains("more than 16 MiB"),
        "{}",
        rows[0]["error_detail"]
    );
    assert_eq!(api.requests()[0].body, "xtttt");
}
