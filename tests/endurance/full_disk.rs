//! The real process on a real file system whose disk is full.

use testing::{Api, JobFile, Output, Scene};

const LINES: usize = 1_000;
/// Bytes that make items and output larger than one part of an upload: about twelve megabytes each.
const PAD: usize = 12_000;
const RUN: &str = "run disk.toml in.csv -o out.csv --state state";

fn scene(api: &Api) -> Scene {
    let host = api.host();
    let job = JobFile::get(api.url("/ok/{{ id }}")).unlimited(host).column("twice", "$.twice");
    let line = |n: usize| format!("{n},{}\n", "x".repeat(PAD));
    Scene::named(
        "disk",
        job,
        "in.csv",
        std::iter::once("id,pad\n".to_owned()).chain((1..=LINES).map(line)).collect::<String>(),
    )
}

fn shell(scene: &Scene, wrapper: &[&str], script: &str) -> Output {
    let script = script.replace("THROUGHLINE", &format!("'{}' {RUN}", env!("CARGO_BIN_EXE_throughline")));
    scene.run_as(wrapper[0], &[&wrapper[1..], &["sh", "-c", &script]].concat())
}

fn expected(api: &Api) -> String {
    let whole = scene(api);
    whole.run(&RUN.split(' ').collect::<Vec<_>>()).expect(0);
    whole.read("out.csv")
}

/// A limit on the size of files replaces a full disk where nothing may be mounted.
#[test]
fn run_continues_after_a_limit_on_file_size() {
    let api = Api::start();
    let expected = expected(&api);
    // In kilobytes: no part fits; no whole object does.
    for limit in [4_000, 8_000] {
        api.forget();
        let scene = scene(&api);
        let script = format!("trap '' XFSZ; ulimit -f {}; exec THROUGHLINE", limit * 2);
        let ran = shell(&scene, &["env"], &script).expect(3);
        assert!(
            ran.stderr.contains("File too large") && ran.stderr.contains("the same command continues"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("cannot write s3://throughline/"), "{}", ran.stderr);
        scene.run(&RUN.split(' ').collect::<Vec<_>>()).expect(0);
        assert!(scene.read("out.csv") == expected);
        assert_eq!(api.count(), LINES);
    }
}

/// The file system of the output is full while the rows, the failed lines or the report are written.
#[cfg(target_os = "linux")]
#[test]
fn run_continues_after_the_disk_of_the_output_was_full() {
    let api = Api::start();
    let host = api.host();
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}")).unlimited(host);
    let kind = |n: usize| if n.is_multiple_of(4) { "none" } else { "ok" };
    let input = (1..=4_000).fold("kind,id\n".to_owned(), |text, n| format!("{text}{},{n}\n", kind(n)));
    let scene = || {
        let scene = Scene::named("disk", &job, "in.csv", &input);
        std::fs::create_dir(scene.path("data")).unwrap();
        scene
    };
    let whole = scene();
    whole.run(&"run disk.toml in.csv -o data/out.csv".split(' ').collect::<Vec<_>>()).expect(2);
    let size = |name: &str| std::fs::metadata(whole.path(name)).unwrap().len().next_multiple_of(4096) / 1024;
    let (output, failed) = (size("data/out.csv"), size("data/out.failed.csv"));
    for kilobytes in [64, output - 4, output + 8, output + failed] {
        api.forget();
        let scene = scene();
        let run = format!(
            "'{}' run disk.toml in.csv -o data/out.csv --state state",
            env!("CARGO_BIN_EXE_throughline")
        );
        let script = format!(
            "mount -t tmpfs -o size={kilobytes}k none data || exit 77; {run}; echo \"first: $?\"; ls -A data; echo \"asked\"; \
             mount -o remount,size=1g data; {run}; code=$?; cp data/* .; exit $code"
        );
        let ran = scene.run_as("unshare", &["--map-root-user", "--mount", "sh", "-c", &script]);
        if ran.code == 77 || ran.stderr.contains("unshare") {
            println!("nothing may be mounted here: {}", ran.stderr);
            return;
        }
        let (first, _) =
            ran.stdout.split_once("asked").unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr));
        assert!(first.contains("first: 3"), "{kilobytes}: {first}{}", ran.stderr);
        assert!(
            !first.contains("out.report.json") && !first.contains(".throughline-"),
            "{kilobytes}: {first}"
        );
        assert!(
            ran.stderr.contains("cannot write data/out.") && ran.stderr.contains("No space left on device"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("Make room; the same command continues"), "{}", ran.stderr);
        ran.expect(2);
        for name in ["out.csv", "out.failed.csv"] {
            assert!(scene.read(name) == whole.read(&format!("data/{name}")), "{name}");
        }
        assert_eq!(api.count(), 4_000, "{kilobytes}: no line is sent again");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn run_continues_after_the_disk_of_the_state_folder_was_full() {
    let api = Api::start();
    let expected = expected(&api);
    // The journal, the split, its completion, the merge.
    for size in ["16k", "8m", "16m", "30m"] {
        api.forget();
        let scene = scene(&api);
        let script = format!(
            "mkdir state; mount -t tmpfs -o size={size} none state || exit 77; THROUGHLINE; echo \"first: $?\"; \
             mount -o remount,size=1g state; THROUGHLINE"
        );
        let ran = shell(&scene, &["env", "unshare", "--map-root-user", "--mount"], &script);
        if ran.code == 77 || ran.stderr.contains("unshare") {
            println!("nothing may be mounted here: {}", ran.stderr);
            return;
        }
        assert!(ran.stdout.contains("first: 3"), "{size}: {}{}", ran.stdout, ran.stderr);
        assert!(size != "16k" || ran.stderr.contains(".journal/"), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("No space left on device")
                && ran.stderr.contains("the same command continues"),
            "{}",
            ran.stderr
        );
        ran.expect(0);
        assert!(scene.read("out.csv") == expected);
        assert_eq!(api.count(), LINES, "{size}");
    }
}
