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
    let scene = Scene::new(job(&api).tables("[input]\nformat = \"csv\""), "unused.txt", "");
    scene.write("json.toml", job(&api).to_string());
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
    let objects = piped("{\"id\": 3}\n", &["run", "json.toml", "-", "-o", "-"]);
    assert_eq!(
        objects.replace(": ", ":"),
        "{\"id\":3,\"twice\":\"33\",\"error\":null,\"error_detail\":null}\n"
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
    scene.run(&["run", "again.toml", "out.csv.gz", "-o", "again.csv"]).expect(0);
    assert_eq!(column(&scene.read("again.csv"), "again"), ["11", "xx"]);
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
            "{\"id\":1,\"twice\":\"11\",\"error\":null,\"error_detail\":null}\n",
        ),
    ] {
        let scene = Scene::new(job(&api).output("drop = [\"name\", \"note\"]"), file, input);
        scene.run(&["run", "job.toml", file, "-o", out]).expect(0);
        assert_eq!(scene.read(out).replace(": ", ":"), expected, "{file}");
    }
    let scene = Scene::new(job(&api).output("drop = [\"nam\"]"), "in.csv", "name,id\na,1\n");
    let refused = scene.run(&["run", "job.toml", "in.csv"]).expect(1).stderr;
    assert!(refused.contains("job.toml:") && refused.contains("drop names the column \"nam\""), "{refused}");
    let scene = Scene::new(job(&api).output("drop = [\"name\"]"), "in.csv", "name,id\na,x y,1\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    assert_eq!(scene.read("out.failed.csv"), "name,id\na,x y,1\n", "failed lines are whole");
}

/// A workbook with one sheet, whose cells are XML.
fn workbook(scene: &Scene, name: &str, rows: &str) {
    let script = r#"
import sys, zipfile
main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
package = "http://schemas.openxmlformats.org/package/2006"
office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
files = {
    "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="{office}/styles" Target="styles.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="one" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
    "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sys.argv[2]}</sheetData></worksheet>',
}
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as book:
    for path, text in files.items():
        book.writestr(path, text)
"#;
    scene.run_as("python3", &["-c", script, name, rows]).expect(0);
}

#[test]
fn the_first_sheet_of_a_workbook_is_an_input() {
    let api = Api::start();
    let scene = Scene::new(job(&api), "unused.txt", "");
    let text = |at: &str, text: &str| format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let rows = format!(
        "<row r=\"1\">{}{}{}{}</row><row r=\"2\"><c r=\"A2\"><v>7</v></c><c r=\"B2\" s=\"1\"><v>46329</v></c>{}<c r=\"D2\" t=\"b\"><v>1</v></c></row>\
         <row r=\"3\"><c r=\"A3\"><v>8.5</v></c></row>",
        text("A1", "id"),
        text("B1", "day"),
        text("C1", "note"),
        text("D1", "paid"),
        text("C2", "a,&quot;b&quot;")
    );
    workbook(&scene, "in.XLSX", &rows);
    scene.run(&["run", "job.toml", "in.XLSX", "-o", "out.csv"]).expect(0);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "id"), ["7", "8.5"]);
    assert_eq!(column(&output, "day"), ["2026-11-03", ""]);
    assert_eq!(column(&output, "note"), ["a,\"b\"", ""]);
    assert_eq!(column(&output, "paid"), ["true", ""]);
    scene.run(&["run", "job.toml", "in.XLSX", "-o", "out.csv"]).expect(0);
    assert_eq!(api.count(), 2, "the same workbook is the same input");
    let status = scene.run(&["status", "job.toml", "in.XLSX"]).expect(0).stdout;
    assert!(status.contains("2 of 2 succeeded"), "{status}");

    scene.write("broken.xlsx", b"PK\x03\x04 no more");
    let refused = scene.run(&["check", "job.toml", "broken.xlsx"]).expect(1).stderr;
    assert!(refused.contains("broken.xlsx: it is not a workbook that can be read"), "{refused}");
    std::fs::File::create(scene.path("large.xlsx")).unwrap().set_len(40 << 20).unwrap();
    let refused = scene.run(&["run", "job.toml", "large.xlsx"]).expect(1).stderr;
    assert!(refused.contains("may have 32 MiB, and this one has 40"), "{refused}");
}
