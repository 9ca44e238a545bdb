//! Every kind of failed line gets a row with its error, and the run continues.

use testing::{Api, HttpServer, JobFile, Raw, Scene, closed_port, column};

#[test]
fn every_failure_has_its_code() {
    let api = Api::start();
    let hang_up = HttpServer::raw(Raw::Write(Vec::new()));
    let cut = HttpServer::raw(Raw::Write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()));
    let job = JobFile::get("{{ url }}")
        .request("headers = { x-note = \"{{ note }}\" }")
        .request("timeout = \"2s\"")
        .request("max_response = \"1KiB\"")
        .tables("[retry]\nattempts = 2")
        .unlimited("default")
        .column("id", "$.id");
    let cases: Vec<(String, String)> = vec![
        (format!(r#"{{"url": "{}", "note": "n"}}"#, api.url("/ok/1")), "".into()),
        (format!(r#"{{"url": "{}", "note": "a\r\nx: y"}}"#, api.url("/ok/2")), "header".into()),
        (format!(r#"{{"url": "{}"}}"#, api.url("/ok/3")), "render".into()),
        (r#"{"url": "not a url", "note": ""}"#.into(), "url".into()),
        (r#"{"url": "file:///etc/passwd", "note": ""}"#.into(), "url".into()),
        (r#"{"url": "http://10.0.0.1/", "note": ""}"#.into(), "address_denied".into()),
        (r#"{"url": "http://[::1]:1/", "note": ""}"#.into(), "address_denied".into()),
        (
            r#"{"url": "http://169.254.169.254/latest/meta-data/", "note": ""}"#.into(),
            "address_denied".into(),
        ),
        (r#"{"url": "http://0x7f.1.0.2/", "note": ""}"#.into(), "address_denied".into()),
        // localhost is 127.0.0.1, which is allowed.
        (r#"{"url": "http://localhost:1/", "note": ""}"#.into(), "connect".into()),
        (format!(r#"{{"url": "http://{}/", "note": ""}}"#, closed_port()), "connect".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, hang_up.url("/")), "connect".into()),
        (format!(r#"{{"url": "https://{}/", "note": ""}}"#, api.host()), "tls".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/stall/1")), "timeout".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, cut.url("/")), "body_cut".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/large/5000")), "too_large".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/status/404")), "http_404".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/status/500")), "http_500".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/loop/1")), "redirect_loop".into()),
        (
            format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/to/http:~~127.1.1.1~")),
            "address_denied".into(),
        ),
        (format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/html/1")), "extract".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/empty/1")), "".into()),
        (format!(r#"{{"url": "{}", "note": ""}}"#, api.url("/to/~ok~redirected")), "".into()),
        ("{\"url\": ".into(), "parse".into()),
        ("[1]".into(), "parse".into()),
    ];
    let mut input: Vec<u8> = Vec::new();
    for (line, _) in &cases {
        input.extend(line.as_bytes());
        input.push(b'\n');
    }
    input.extend(b"{\"url\": \"\xff\"}\n");
    let scene = Scene::new(job, "in.jsonl", input);
    scene.run(&["run", "job.toml", "in.jsonl", "-o", "out.jsonl"]).expect(2);
    let output = scene.read("out.jsonl");
    let rows: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), cases.len() + 1);
    for ((line, code), row) in cases.iter().zip(&rows) {
        assert_eq!(row["error"].as_str().unwrap_or_default(), code, "{line}\n{row}");
        assert_eq!(
            row["error_detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            !code.is_empty(),
            "{row}"
        );
    }
    assert_eq!(rows.last().unwrap()["error"], "decode");
    let failed = std::fs::read(scene.path("out.failed.jsonl")).unwrap();
    let failed_lines = cases.iter().filter(|(_, code)| !code.is_empty()).count() + 1;
    assert_eq!(failed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), failed_lines);
    assert!(failed.ends_with(b"{\"url\": \"\xff\"}\n"), "bytes are kept as they were");
    assert_eq!(api.hits()["/status/500"], 2, "sent again");
    assert_eq!(api.hits()["/status/404"], 1, "not sent again");
}

#[test]
fn a_redirect_carries_no_secret_to_another_origin() {
    let (api, other) = (Api::start(), Api::start());
    let job = JobFile::get(api.url("/to/{{ to }}"))
        .request("headers = { authorization = \"{{ secret.K }}\" }")
        .tables("[secrets]\nK = \"file:key.txt\"");
    let scene = Scene::new(job, "in.csv", format!("to\nhttp:~~{}~ok~1\n~ok~2\n", other.host()));
    scene.write("key.txt", "abcdefgh");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    assert_eq!(column(&scene.read("out.csv"), "error"), ["redirect_with_secret", ""]);
    assert_eq!(other.count(), 0);
}

#[test]
fn a_secret_goes_only_to_its_hosts() {
    let (api, other) = (Api::start(), Api::start());
    let job = JobFile::get("{{ url }}")
        .request("headers = { authorization = \"{{ secret.K }}\" }")
        .request(format!("secret_hosts = [\"{}\"]", api.host()))
        .tables("[secrets]\nK = \"file:key.txt\"");
    let scene = Scene::new(job, "in.csv", format!("url\n{}\n{}\n", api.url("/ok/1"), other.url("/ok/1")));
    scene.write("key.txt", "abcdefgh");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    assert_eq!(column(&scene.read("out.csv"), "error"), ["", "secret_denied"]);
    assert_eq!((api.count(), other.count()), (1, 0));
}

#[test]
fn refusals_of_different_hosts_do_not_stop_a_run() {
    let api = Api::start();
    let job = JobFile::get("{{ line }}").unlimited("default").column("status", "status");
    let input: String = (0..300).map(|n| format!("{}?{n}\n", api.url("/status/403"))).collect();
    let scene = Scene::new(job, "urls.txt", input);
    scene.run(&["run", "job.toml", "urls.txt", "-o", "out.csv"]).expect(2);
    assert!(column(&scene.read("out.csv"), "error").iter().all(|error| error == "http_403"));
}
