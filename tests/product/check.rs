//! `check` finds every line that must fail, and sends nothing.

use testing::{Output, Scene};

/// Checks a job whose `[request]` is this.
fn check(request: &str, file: &str, input: impl AsRef<[u8]>) -> Output {
    Scene::new(format!("[request]\n{request}\n"), file, input).run(&["check", "job.toml", file])
}

#[track_caller]
fn says(ran: &Output, parts: &[&str]) {
    for part in parts {
        assert!(ran.stdout.contains(part), "{part}\n{}\n{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn check_counts_failing_lines_by_reason() {
    let mut input = b"url,note\n".to_vec();
    for n in 1..=2_000 {
        let line: &[u8] = match n {
            7 | 8 => b"www.example.com,x\n",
            9 => b"https://a.example/\xff,x\n",
            10 => b"https://a.example/,x,y\n",
            11..=14 => b"http://10.0.0.1/,x\n",
            _ => b"https://a.example/,x\n",
        };
        input.extend(line);
    }
    let ran = check("url = \"{{ url }}\"\nheaders = { x-note = \"{{ note }}\" }", "in.csv", input).expect(0);
    says(
        &ran,
        &[
            "is valid",
            "8 of 2,000 lines will fail without a request:",
            "lines 7, 8: ",
            "line 9: ",
            "line 10: ",
            "lines 11, 12, 13, 14: ",
        ],
    );
    for code in ["url ", "decode ", "parse ", "address_denied "] {
        says(&ran, &[code]);
    }
    let reasons: Vec<&str> =
        ran.stdout.lines().filter(|line| line.starts_with("    ") && line.contains("  line")).collect();
    assert!(
        reasons.len() == 4 && reasons[0].contains("address_denied"),
        "the most frequent comes first\n{reasons:?}"
    );
}

#[test]
fn check_fails_when_every_line_would_fail() {
    let header = "x,y\na\nb\n";
    for (request, file, input, parts) in [
        (
            "url = \"http://127.0.0.1:8080/{{ line }}\"",
            "in.txt",
            "a\nb\n",
            &["2 of 2 lines", "address_denied", "allow"][..],
        ),
        ("url = \"http://localhost/{{ line }}\"", "in.txt", "a\nb\n", &["address_denied", "localhost"]),
        ("url = \"{{ line }}\"", "in.txt", "www.example.com/a\nexample.com\n", &["2 of 2 lines", "url "]),
        ("url = \"https://a.example/{{ x }}\"", "in.csv", header, &["2 of 2 lines", "parse "]),
        (
            "url = \"https://a.example/{{ a.b.c }}\"",
            "in.jsonl",
            "{\"a\": {}}\n{\"a\": {}}\n",
            &["2 of 2 lines", "render "],
        ),
        (
            "url = \"https://a.example/{line}\"",
            "in.txt",
            "a\nb\n",
            &["{line} is sent unchanged", "{{ line }}"],
        ),
        (
            "url = \"https://a.example/\"\nheaders = { x = \"{{ line }}\\u0001\" }",
            "in.txt",
            "a\n",
            &["1 of 1 line", "header "],
        ),
        (
            "url = \"https://a.example/\"\nmethod = \"POST\"\nheaders = { content-type = \"application/json\" }\nbody = '{\"a\": {{ line }}'",
            "in.txt",
            "a\nb\n",
            &["2 of 2 lines would send a body that is not JSON", "EOF"],
        ),
        (
            "url = \"https://a.example/{{ line }}?x=..........\"",
            "in.txt",
            &"x".repeat(70_000),
            &["1 of 1 line", "url ", "65,000"],
        ),
    ] {
        let ran = check(request, file, input).expect(1);
        says(&ran, parts);
        assert!(!ran.stdout.contains("is valid"), "{}", ran.stdout);
    }
    let ran = check("url = \"https://a.example/{{ line }}\"", "in.txt", b"caf\xe9\nna\xefve\n").expect(1);
    says(&ran, &["2 of 2 lines", "decode ", "iconv -f WINDOWS-1252 -t UTF-8 in.txt"]);
}

#[test]
fn check_finds_secrets_that_a_host_may_not_have() {
    let request = "url = \"{{ line }}\"\nheaders = { authorization = \"{{ secret.K }}\" }\nsecret_hosts = [\"a.example\"]";
    let scene = Scene::new(
        format!("[request]\n{request}\n[secrets]\nK = \"file:k\"\n"),
        "in.txt",
        "https://a.example/\nhttps://b.example/\n",
    );
    scene.write("k", "abcdefgh");
    let ran = scene.run(&["check", "job.toml", "in.txt"]).expect(0);
    says(&ran, &["1 of 2 lines will fail", "secret_denied", "line 2: "]);
    scene.write("in.txt", "https://b.example/\n");
    scene.run(&["check", "job.toml", "in.txt"]).expect(1);
}

#[test]
fn secret_that_is_not_a_header_value_is_refused_before_the_first_request() {
    let job = "[request]\nurl = \"https://a.example/{{ line }}\"\nheaders = { authorization = \"{{ secret.K }}\" }\n[secrets]\nK = \"file:k\"\n";
    let scene = Scene::new(job, "in.txt", "a\n");
    scene.write("k", "abcdefgh\nijklmnop\n");
    for command in ["check", "run"] {
        let ran = scene.run(&[command, "job.toml", "in.txt"]).expect(1);
        assert!(
            ran.stderr.contains("job.toml:3:") && ran.stderr.contains("the secret K has a line break"),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("abcdefgh"), "{}", ran.stderr);
    }
}

#[test]
fn allowed_addresses_and_bodies_are_not_findings() {
    for (request, input) in [
        ("url = \"http://127.0.0.1:8080/{{ line }}\"\nallow = [\"127.0.0.1\"]", "a\nb\n"),
        ("url = \"http://localhost/{{ line }}\"\nallow = [\"::1\"]", "a\nb\n"),
        (
            "url = \"https://a.example/{{ line }}\"\nmethod = \"POST\"\nbody = '{\"query\": \"{ user {id} }\", \"id\": {{ line }}}'",
            "a\nb\n",
        ),
        (
            "url = \"https://a.example/{{ line }}\"\nmethod = \"POST\"\nbody = \"{ {{ line }} }\"\nheaders = { content-type = \"text/plain\" }",
            "a\n",
        ),
    ] {
        let ran = check(request, "in.txt", input).expect(0);
        assert!(
            ran.stdout.trim_end().lines().last().unwrap().starts_with("time "),
            "nothing is found\n{}",
            ran.stdout
        );
    }
}

#[test]
fn unknown_names_in_a_template_are_job_errors() {
    for (template, part) in [
        ("{{ line | shout }}", "there is no filter \"shout\""),
        ("{% if line is nice %}a{% endif %}", "there is no test \"nice\""),
        ("{{ lookup(line) }}", "there is no function \"lookup\""),
        ("{% if line == 'x' %}{{ line | shout }}{% endif %}", "there is no filter \"shout\""),
    ] {
        for command in ["check", "run"] {
            let scene =
                Scene::new(format!("[request]\nurl = \"https://a.example/{template}\"\n"), "in.txt", "a\n");
            let ran = scene.run(&[command, "job.toml", "in.txt"]).expect(1);
            assert!(
                ran.stderr.contains(part) && ran.stderr.contains("job.toml:2:"),
                "{template}\n{}",
                ran.stderr
            );
        }
    }
    let known = "{% macro up(x) %}{{ x | upper }}{% endmacro %}{{ up(line) }}{% for i in range(2) %}{{ loop.index }}{% endfor %}{% if line is defined %}1{% endif %}";
    check(&format!("url = \"https://a.example/{known}\""), "in.txt", "a\n").expect(0);
}

#[test]
fn check_recognises_another_separator() {
    let ran = check("url = \"https://a.example/{{ name }}\"", "in.csv", "id;name\n1;a\n2;2,5\n").expect(0);
    says(&ran, &["fields are separated by ';'", "https://a.example/2%2C5"]);
    let job = "[input]\ndelimiter = \",\"\n[request]\nurl = \"https://a.example/{{ row['id;price'] }}\"\n";
    let ran =
        Scene::new(job, "in.csv", "id;price\n1;2,5\n2;3,5\n").run(&["check", "job.toml", "in.csv"]).expect(1);
    says(&ran, &["2 of 2 lines", "parse ", "delimiter = \";\""]);
    let job = "[input]\nheader = false\n[request]\nurl = \"https://a.example/{{ c1 }}\"\n";
    let ran = Scene::new(job, "in.csv", "1|a\n2|b\n").run(&["check", "job.toml", "in.csv"]).expect(0);
    says(&ran, &["delimiter = \"|\""]);
    let ran = check("url = \"https://a.example/{{ q }}\"", "in.csv", "q\nwhat; why\nhow\n").expect(0);
    assert!(!ran.stdout.contains("delimiter"), "text may have a semicolon\n{}", ran.stdout);
}

#[test]
fn trailing_separator_of_header_or_rows_alone_fails_every_line() {
    let ran = check("url = \"https://a.example/{{ a }}\"", "in.csv", "a,b,\n1,2\n3,4\n").expect(1);
    says(&ran, &["2 of 2 lines", "the header ends with a separator, and the rows do not"]);
    let ran = check("url = \"https://a.example/{{ a }}\"", "in.csv", "a,b\n1,2,\n3,4,\n").expect(1);
    says(&ran, &["2 of 2 lines", "the rows have one field more than the header"]);
}

#[test]
fn check_reports_identical_requests() {
    let ran = check("url = \"https://a.example/x\"", "in.txt", "a\nb\nc\n").expect(0);
    says(&ran, &["all 3 of the lines send the same request, GET https://a.example/x", "{{ line }}"]);
}

#[test]
fn check_shows_the_size_of_a_small_file() {
    let ran = check("url = \"https://a.example/{{ line }}\"", "in.txt", "a\nb\n").expect(0);
    says(&ran, &["2 lines of text, 4 bytes"]);
    let ran = check("url = \"https://a.example/{{ line }}\"", "in.txt", "abc\n".repeat(1_000)).expect(0);
    says(&ran, &["4.0 KB"]);
}

#[test]
fn findings_are_one_json_object() {
    let scene = Scene::new("[request]\nurl = \"{{ line }}\"\n", "in.txt", "a.example\nhttps://a.example/\n");
    let ran = scene.run(&["check", "job.toml", "in.txt", "--json", "--all"]).expect(0);
    let object: serde_json::Value = serde_json::from_str(ran.stdout.trim_end()).unwrap();
    assert_eq!(
        (&object["event"], &object["exit_code"], &object["requests_sent"]),
        (&"check".into(), &0.into(), &false.into())
    );
    assert_eq!(
        (&object["lines"], &object["lines_looked_at"], &object["failing"]),
        (&2.into(), &2.into(), &1.into())
    );
    assert_eq!(
        (&object["errors"][0]["code"], &object["errors"][0]["lines"]),
        (&"url".into(), &serde_json::json!([1]))
    );
    scene.write("in.txt", "a.example\n");
    let ran = scene.run(&["check", "job.toml", "in.txt", "--json"]).expect(1);
    let object: serde_json::Value = serde_json::from_str(ran.stdout.trim_end()).unwrap();
    assert_eq!(object["exit_code"], 1);
}
