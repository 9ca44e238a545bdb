//! Standard input, compressed outputs, and columns of the input that the output leaves out.

use std::io::{Read, Write};
use std::process::Stdio;

use testing::{Api, JobFile, Scene, column};

fn job(api: &Api) -> JobFile {
    JobFile::get(api.url("/ok/{{ id }}")).column("twice", "$.twice").unlimited(api.host())
}

#[test]
fn standard_input_and_output_make_a_filter() {
    let api = Api::start();
    let scene = Scene::new(job(&api), "unused.txt", "");
    let piped = |input: &str, args: &[&str]| {
        let mut command = scene.command(args);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let run = ["run", "job.toml", "-", "-o", "-", "--quiet"];
    let rows = piped("id\n1\n2\n", &run);
    assert_eq!(column(&rows, "twice"), ["11", "22"]);
    let objects = piped("{\"id\": 3}\n", &["run", "job.toml", "-", "-o", "-", "--continue"]);
    assert_eq!(
        objects.trim(),
        r#"{"id": 3,"twice":"33","error":null,"error_detail":null}"#.replace("\"33\"", "33")
    );
    let checked = piped("id\n1\n2\n", &["check", "job.toml", "-"]);
    assert!(checked.contains("2 lines of csv"), "{checked}");
    let before = api.count();
    assert_eq!(piped("id\n1\n2\n", &[&run[..], &["--fresh"]].concat()), rows);
    assert_eq!(api.count() - before, 2);
}

#[test]
fn the_ending_of_the_output_says_how_it_is_compressed() {
    let api = Api::start();
    let scene = Scene::new(job(&api), "in.csv", "id\n1\nx,y\n");
    for (name, failed) in [("out.csv.gz", "out.failed.csv"), ("other.CSV.zst", "other.failed.csv")] {
        scene.run(&["run", "job.toml", "in.csv", "-o", name]).expect(2);
        let bytes = std::fs::read(scene.path(name)).unwrap();
        let mut text = String::new();
        if name.ends_with("gz") {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        } else {
            zstd::Decoder::new(&bytes[..]).unwrap().read_to_string(&mut text).unwrap();
        }
        assert_eq!(column(&text, "twice"), ["11", ""], "{name}");
        assert!(scene.exists(failed), "{name}");
    }
    assert_eq!(api.count(), 1);
    // A compressed output is an input like any other.
    let mended = job(&api).to_string().replace("twice", "again");
    scene.write("again.toml", mended.replace("$.again", "$.twice"));
    scene.run(&["run", "again.toml", "out.csv.gz", "-o", "again.csv"]).expect(2);
    assert_eq!(column(&scene.read("again.csv"), "again")[0], "11");
}

#[test]
fn dropped_columns_of_the_input_are_not_in_the_output() {
    let api = Api::start();
    for (file, input, out, expected) in [
        ("in.csv", "name,id,note\na,1,x\n", "out.csv", "id,twice,error,error_detail\n1,11,,\n"),
        (
            "in.jsonl",
            "{\"name\": \"a\", \"id\": 1, \"note\": [1]}\n",
            "out.jsonl",
            "{\"id\":1,\"twice\":11,\"error\":null,\"error_detail\":null}\n",
        ),
    ] {
        let scene = Scene::new(job(&api).output("drop = [\"name\", \"note\"]"), file, input);
        scene.run(&["run", "job.toml", file, "-o", out]).expect(0);
        assert_eq!(scene.read(out).replace(": ", ":"), expected, "{file}");
    }
    let scene = Scene::new(job(&api).output("drop = [\"nam\"]"), "in.csv", "name,id\na,1\n");
    let refused = scene.run(&["run", "job.toml", "in.csv"]).expect(1).stderr;
    assert!(refused.contains("job.toml:") && refused.contains("drop names \"nam\""), "{refused}");
    let scene = Scene::new(job(&api).output("drop = [\"name\"]"), "in.csv", "name,id\na,x y,1\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    assert_eq!(scene.read("out.failed.csv"), "name,id\na,x y,1\n", "failed lines are whole");
}
