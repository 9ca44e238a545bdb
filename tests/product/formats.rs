//! Order and completeness, over every format.

use std::io::Write;

use testing::{Api, JobFile, Scene, column, records};

fn job(api: &Api) -> JobFile {
    JobFile::get(api.url("/ok/{{ id }}"))
        .unlimited(api.host())
        .column("twice", "$.twice")
        .column("list", "$.list[*]")
        .column("none", "$.none")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn csv_in_every_compression_comes_out_in_order() {
    let api = Api::start();
    let ids: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let (first, second) = ids.split_at(700);
    let text = |ids: &[String]| {
        ids.iter().map(|id| format!("{id},\"a \"\"note\"\",\r\n{id}\"\r\n")).collect::<String>()
    };
    let (first, second) = (format!("\u{feff}id,note\r\n{}", text(first)), text(second));
    for (file, input) in [
        ("in.csv", format!("{first}{second}").into_bytes()),
        ("in.csv.gz", [gzip(first.as_bytes()), gzip(second.as_bytes())].concat()),
        (
            "in.csv.zst",
            [zstd::encode_all(first.as_bytes(), 1).unwrap(), zstd::encode_all(second.as_bytes(), 1).unwrap()]
                .concat(),
        ),
        ("in.csv.bz2", [bzip2(first.as_bytes()), bzip2(second.as_bytes())].concat()),
    ] {
        let scene = Scene::new(job(&api), file, input);
        scene.run(&["run", "job.toml", file, "-o", "out.csv"]).expect(0);
        let output = scene.read("out.csv");
        assert_eq!(records(&output)[0], ["id", "note", "twice", "list", "none", "error", "error_detail"]);
        assert_eq!(column(&output, "id"), ids, "{file}");
        assert!(column(&output, "twice").iter().zip(&ids).all(|(twice, id)| *twice == format!("{id}{id}")));
        assert_eq!(records(&output)[8], ["7", "a \"note\",\r\n7", "77", "[1,2]", "", "", ""]);
        assert!(!scene.exists("out.failed.csv"));
    }
}

#[test]
fn text_tsv_and_jsonl_come_out_in_order() {
    let api = Api::start();
    let text = job(&api).to_string().replace("{{ id }}", "{{ line }}");
    let scene = Scene::new(&text, "ids.txt", "one\n\ntwo words\nlast\n\n");
    scene.run(&["run", "job.toml", "ids.txt", "-o", "out.csv"]).expect(0);
    assert_eq!(column(&scene.read("out.csv"), "line"), ["one", "two words", "last"]);
    let scene = Scene::new(format!("{text}[input]\nblank = \"keep\"\n"), "ids.txt", "one\n\ntwo words\nlast");
    scene.run(&["run", "job.toml", "ids.txt", "-o", "out.csv"]).expect(2);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "line"), ["one", "", "two words", "last"]);
    assert_eq!(column(&output, "twice")[2], "two wordstwo words");
    assert_eq!(scene.read("out.failed.txt"), "\n");

    let scene = Scene::new(job(&api), "in.tsv", "id\tname\n1\tx, y\n2\t\n");
    scene.run(&["run", "job.toml", "in.tsv", "-o", "out.csv"]).expect(0);
    assert_eq!(records(&scene.read("out.csv"))[1], ["1", "x, y", "11", "[1,2]", "", "", ""]);

    let scene =
        Scene::new(job(&api), "in.jsonl", "{\"id\": 1, \"o\": {\"b\": 1.0}}\n\n{\"o\":null,\"id\":\"2\"}");
    scene.run(&["run", "job.toml", "in.jsonl", "-o", "out.jsonl"]).expect(0);
    let lines: Vec<serde_json::Value> =
        scene.read("out.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0],
        serde_json::json!({"id": 1, "o": {"b": 1.0}, "twice": "11", "list": [1, 2], "none": null, "error": null, "error_detail": null})
    );
    assert_eq!(lines[1]["twice"], "22");
}

#[test]
fn output_format_can_differ_from_the_input() {
    let api = Api::start();
    let scene = Scene::new(job(&api).output("format = \"jsonl\""), "in.csv", "id\n1\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.jsonl"]).expect(0);
    assert!(scene.read("out.jsonl").starts_with(r#"{"id":"1","#));
    let scene = Scene::new(
        job(&api).output("format = \"csv\""),
        "in.jsonl",
        "{\"id\": 1, \"tags\": [\"a\", \"b\"]}\n{\"id\": 2, \"more\": true}\n",
    );
    scene.run(&["run", "job.toml", "in.jsonl", "-o", "out.csv"]).expect(0);
    let output = records(&scene.read("out.csv"));
    assert_eq!(output[0][..3], ["id", "tags", "more"]);
    assert_eq!(output[2][..3], ["2", "", "true"]);
}

#[test]
fn numbers_keep_their_digits_from_line_to_request_and_from_response_to_output() {
    let api = Api::start();
    let job = JobFile::post(api.url("/numbers/{{ price }}?id={{ id }}&double={{ price * 2 }}"))
        .request("body = '{\"id\": {{ id }}, \"all\": {{ parts }}, \"whole\": {{ price | int }}}'")
        .column("digits", "$.digits")
        .column("total", "$.total")
        .column("odd", "$.odd");
    let line = r#"{"id":89014103211118510720123,"price":12.50,"parts":[1.0,0.10,1E5,-0],"unused":NaN,"half":"\ud83d"}"#;
    let scene = Scene::new(&job, "in.jsonl", line);
    scene.run(&["run", "job.toml", "in.jsonl", "-o", "out.jsonl"]).expect(0);
    let seen = &api.requests()[0];
    assert_eq!(seen.uri, "/numbers/12.50?id=89014103211118510720123&double=25.0");
    assert_eq!(seen.body, r#"{"id": 89014103211118510720123, "all": [1.0,0.10,1E5,-0], "whole": 12}"#);
    let digits = r#""digits":[12.50,12345678901234567890123,12.50,1e400],"total":12.50,"odd":"NaN""#;
    let output = scene.read("out.jsonl");
    assert!(
        output.starts_with(
            r#"{"id":89014103211118510720123,"price":12.50,"parts":[1.0,0.10,1E5,-0],"unused":"NaN","half":"#
        ),
        "{output}"
    );
    assert!(output.contains(digits), "{output}");

    let scene = Scene::new(job.output("format = \"csv\""), "in.jsonl", line);
    scene.run(&["run", "job.toml", "in.jsonl", "-o", "out.csv"]).expect(0);
    let output = records(&scene.read("out.csv"));
    assert_eq!(output[1][..4], ["89014103211118510720123", "12.50", "[1.0,0.10,1E5,-0]", "NaN"]);
    assert_eq!(output[1][5..8], ["[12.50,12345678901234567890123,12.50,1e400]", "12.50", "NaN"]);
}

#[test]
fn empty_inputs_succeed() {
    let api = Api::start();
    for (file, input, output) in [
        ("in.csv", "", ""),
        ("in.csv", "id\n", "id,twice,list,none,error,error_detail\n"),
        ("in.jsonl", "", ""),
    ] {
        let scene = Scene::new(job(&api), file, input);
        scene.run(&["run", "job.toml", file, "-o", "out"]).expect(0);
        assert_eq!(scene.read("out"), output);
    }
    assert_eq!(api.count(), 0);
}

#[test]
fn requests_are_what_the_job_says() {
    let api = Api::start();
    let job = JobFile::post(api.url("/ok/{{ id }}?q={{ q }}"))
        .request("idempotent = true")
        .request("headers = { x-key = \"k {{ q }}\", content-type = \"application/json\" }")
        .request("body = '{\"q\": {{ q }}, \"t\": \"<{{ q }}>\"}'");
    let scene = Scene::new(job, "in.csv", "id,q\n1,\"a \"\"b\"\" & ü\"\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    let seen = &api.requests()[0];
    assert_eq!((seen.method.as_str(), seen.uri.as_str()), ("POST", "/ok/1?q=a%20%22b%22%20%26%20%C3%BC"));
    assert_eq!(seen.headers["x-key"].as_bytes(), "k a \"b\" & ü".as_bytes());
    assert_eq!(seen.body, r#"{"q": "a \"b\" & ü", "t": "<a \"b\" & ü>"}"#);
    assert!(seen.headers.contains_key("idempotency-key"));
    assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("throughline/"));
}

#[test]
fn lines_of_two_providers_and_of_others_come_out_in_order() {
    let apis = [Api::start(), Api::start(), Api::start()];
    let job = JobFile::get("{{ url }}")
        .limit(apis[0].host(), "rate = \"unlimited\"\nin_flight = 250")
        .limit(apis[1].host(), "rate = \"500/s\"")
        .limit("default", "rate = \"1000/s\"")
        .column("twice", "$.twice");
    let urls: Vec<String> = (0..600).map(|n| apis[n * 7 % 3].url(&format!("/ok/{n}"))).collect();
    let input: String =
        std::iter::once("url\n".to_owned()).chain(urls.iter().map(|url| format!("{url}\n"))).collect();
    let scene = Scene::new(job, "in.csv", input);
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "url"), urls);
    assert_eq!(column(&output, "twice"), (0..600).map(|n| format!("{n}{n}")).collect::<Vec<_>>());
    assert_eq!(apis.iter().map(|api| api.count()).sum::<usize>(), 600);
}
