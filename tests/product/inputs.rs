//! Input files: quotes, encodings, headers, and inputs that are pipes, folders or devices.

use testing::{Api, JobFile, Scene, column, records};

/// A job that requests `/KIND/ID`; with the kind `flaky` it fails with 404 while the API is broken.
fn job(api: &Api, kind: &str, input: &str) -> JobFile {
    JobFile::get(api.url(&format!("/{kind}/{{{{ id }}}}")))
        .unlimited(api.host())
        .column("twice", "$.twice")
        .tables(format!("[input]\n{input}"))
}

fn windows_1252(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

#[test]
fn each_line_of_a_tsv_file_with_bare_quotes_is_a_row() {
    let api = Api::start();
    let scene = Scene::new(
        job(&api, "ok", ""),
        "in.tsv",
        "id\tname\n1\ta p\n2\t\"b q\n3\tc r\n4\t\"d\" s\n5\te\" t\n",
    );
    scene.run(&["run", "job.toml", "in.tsv", "-o", "out.csv"]).expect(0);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "id"), ["1", "2", "3", "4", "5"]);
    assert_eq!(column(&output, "name"), ["a p", "\"b q", "c r", "\"d\" s", "e\" t"]);
    assert_eq!(api.count(), 5);
}

#[test]
fn malformed_quotes_fail_only_their_line() {
    let api = Api::start();
    let scene = Scene::new(job(&api, "ok", ""), "in.csv", "id,name\n1,\"Ann\n2,Bob\n3,\"Cy\n4,Di\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "error"), ["parse", "", "parse", ""]);
    assert_eq!(column(&output, "twice"), ["", "22", "", "44"]);
    assert_eq!(scene.read("out.failed.csv"), "id,name\n1,\"Ann\n3,\"Cy\n");
}

#[test]
fn failed_file_of_any_layout_runs_again_with_the_same_job() {
    let api = Api::start();
    let latin = windows_1252("id;größe\r\n1;\"1,5 ü\r\nx\"\r\n2;b\r\n");
    let titled = "Sales\r\nof \"2024\"\r\nid,name\r\n1,a\r\n2,\"b, c\"\r\n";
    for (file, input, bytes, name) in [
        ("in.csv", "encoding = \"windows-1252\"", latin.as_slice(), "größe"),
        ("in.csv", "", "\u{feff}sep=|\r\nid|name\r\n1|a\r\n2|b,c\r\n".as_bytes(), "name"),
        ("in.csv", "skip = 2", titled.as_bytes(), "name"),
        ("in.csv", "escape = '\\'", b"id,name\n1,\"say \\\"hi\\\"\"\n2,\"\\\\\"\n", "name"),
        ("in.tsv", "escape = '\\'", b"id\tname\n1\ta\\\tb\\\nc\n2\t\\\\\n", "name"),
        ("in.tsv", "", b"id\tname\n1\t\"a\n2\tb\"\n", "name"),
        ("in.csv", "blank = \"keep\"", b"id,name\n1,\n2,\"x\"\n", "name"),
        ("in.json", "", b"[{\"id\": \"1\", \"name\": [1,\n2]},\n {\"id\": \"2\", \"name\": 0.10}]\n", "name"),
    ] {
        let scene = Scene::new(job(&api, "flaky", input), file, bytes);
        api.set_broken(true);
        let (out, again) =
            if file == "in.json" { ("out.jsonl", "again.jsonl") } else { ("out.csv", "again.csv") };
        scene.run(&["run", "job.toml", file, "-o", out]).expect(2);
        let first = scene.read(out);
        let failed = file.replace("in", "out.failed");
        api.set_broken(false);
        scene.run(&["run", "job.toml", &failed, "-o", again]).expect(0);
        let again = scene.read(again);
        if file != "in.json" {
            assert_eq!(column(&again, "id"), ["1", "2"], "{input}\n{}", scene.read(&failed));
            assert_eq!(column(&again, name), column(&first, name), "{input}\n{}", scene.read(&failed));
            assert_eq!(column(&again, "twice"), ["11", "22"]);
        } else {
            assert!(
                again.contains("\"name\":[1,2],\"twice\":\"11\"")
                    && again.contains("\"name\":0.10,\"twice\":\"22\""),
                "{again}"
            );
        }
    }
}

#[test]
fn utf_16_without_a_byte_order_mark_is_decoded() {
    let api = Api::start();
    let utf16: Vec<u8> = "1\r\nzwei\r\n\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let scene =
        Scene::new(job(&api, "ok", "").to_string().replace("{{ id }}", "{{ line }}"), "in.txt", utf16);
    scene.run(&["run", "job.toml", "in.txt", "-o", "out.csv"]).expect(0);
    assert_eq!(column(&scene.read("out.csv"), "twice"), ["11", "zweizwei"]);
    let report: serde_json::Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
    assert_eq!(
        (&report["encoding"], &report["blank"], &report["lines"]),
        (&"UTF-16LE".into(), &1.into(), &2.into())
    );
}

#[test]
fn output_of_a_run_can_be_an_input() {
    let api = Api::start();
    let scene = Scene::new(job(&api, "flaky", ""), "in.csv", "id\n1\n2\n");
    api.set_broken(true);
    scene.run(&["run", "job.toml", "in.csv", "-o", "first.csv"]).expect(2);
    api.set_broken(false);
    let checked = scene.run(&["check", "job.toml", "first.csv"]).expect(0);
    assert!(
        checked.stdout.contains("its columns twice, error, error_detail are replaced"),
        "{}",
        checked.stdout
    );
    scene.run(&["run", "job.toml", "first.csv", "-o", "second.csv"]).expect(0);
    assert_eq!(
        records(&scene.read("second.csv")),
        [["id", "twice", "error", "error_detail"], ["1", "11", "", ""], ["2", "22", "", ""]]
    );
}

#[test]
fn input_errors_name_their_place_in_the_input() {
    let api = Api::start();
    let latin = windows_1252("id,größe\n1,2\n");
    for (bytes, expected) in [
        (
            latin.as_slice(),
            "in.csv:1: the header is not UTF-8 (byte 0xf6 in column 2): set input.encoding, for example \"windows-1252\"",
        ),
        (b"id,a,id\n1,2,3\n", "in.csv:1: the columns 1 and 3 are both called \"id\""),
        (b"id,error\n1,2\n", "in.csv:1: the input has a column \"error\""),
    ] {
        let scene = Scene::new(job(&api, "ok", ""), "in.csv", bytes);
        for command in [&["check", "job.toml", "in.csv"][..], &["run", "job.toml", "in.csv", "-o", "out.csv"]]
        {
            let ran = scene.run(command).expect(1);
            assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        }
    }
    assert_eq!(api.count(), 0);
}

#[test]
fn url_without_a_scheme_fails_with_a_suggestion() {
    let job = "[request]\nurl = \"{{ line }}\"\n";
    let scene = Scene::new(job, "urls.txt", "www.example.com\nlocalhost:8080/x\n");
    scene.run(&["run", "job.toml", "urls.txt", "-o", "out.csv"]).expect(2);
    assert_eq!(
        column(&scene.read("out.csv"), "error_detail"),
        ["https://www.example.com?", "https://localhost:8080/x?"]
            .map(|url| format!("the URL has no scheme, https:// is missing: {url}"))
    );
}

#[test]
fn check_and_run_read_a_pipe() {
    let api = Api::start();
    let scene = Scene::new(job(&api, "ok", "format = \"csv\""), "in.csv", "id\n1\n2\n");
    let shell = |command: &str| {
        let line = format!("{} {command}", env!("CARGO_BIN_EXE_throughline"));
        scene.run_as("bash", &["-c", &line])
    };
    assert!(shell("check job.toml <(cat in.csv)").expect(0).stdout.contains("2 lines"));
    shell("run job.toml <(cat in.csv) -o out.csv").expect(0);
    assert_eq!(column(&scene.read("out.csv"), "twice"), ["11", "22"]);
    assert_eq!(api.count(), 2);
    // The same content is the same run, whatever number the shell gives the pipe.
    shell("run job.toml <(cat in.csv) -o again.csv 3</dev/null 4</dev/null").expect(0);
    assert_eq!((api.count(), scene.read("again.csv")), (2, scene.read("out.csv")));
    shell("run job.toml <(printf 'id\\n3\\n') -o third.csv --fresh").expect(0);
    assert_eq!(column(&scene.read("third.csv"), "twice"), ["33"]);
    assert_eq!(scene.read("in.csv"), "id\n1\n2\n");
}

#[test]
fn folders_and_devices_are_refused_and_generated_files_are_read() {
    let api = Api::start();
    let scene = Scene::new(job(&api, "ok", "").to_string().replace("{{ id }}", "x?{{ line }}"), "in.txt", "");
    for (input, expected) in [(".", "it is a folder"), ("/dev/null", "it is a device")] {
        for command in [&["check", "job.toml", input][..], &["run", "job.toml", input, "-o", "out.csv"]] {
            let ran = scene.run(command).expect(1);
            assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        }
    }
    assert!(scene.run(&["check", "job.toml", "/proc/version"]).expect(0).stdout.contains("1 line"));
    scene.run(&["run", "job.toml", "/proc/version", "-o", "out.csv"]).expect(0);
    assert_eq!(api.count(), 1);
}
