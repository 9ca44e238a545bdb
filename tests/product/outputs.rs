//! Where outputs are written, what they never replace, and what happens when one cannot be written.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use testing::{Api, JobFile, Scene, column, wait_until};

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

/// Two lines that succeed and one that fails.
fn scene(api: &Api) -> Scene {
    Scene::new(job(api), "in.csv", "kind,id\nok,1\nnone,2\nok,3\n")
}

fn job(api: &Api) -> JobFile {
    JobFile::get(api.url("/{{ kind }}/{{ id }}")).column("twice", "$.twice").unlimited(api.host())
}

/// The files that the run has added to the folder, without the state folder.
fn names(scene: &Scene) -> Vec<String> {
    let entries =
        fs::read_dir(scene.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> =
        entries.filter(|name| !["job.toml", "in.csv", ".throughline"].contains(&name.as_str())).collect();
    names.sort();
    names
}

#[test]
fn output_to_a_dash_leaves_standard_output_to_the_rows() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&RUN).expect(2);
    for stdout in ["-", "/dev/stdout", "/dev/fd/1"] {
        let ran = scene.run(&["run", "job.toml", "in.csv", "-o", stdout, "--state", "other"]).expect(2);
        assert_eq!(ran.stdout, scene.read("out.csv"), "{stdout}");
        let failed = ran
            .stderr
            .lines()
            .find_map(|line| line.trim().strip_prefix("failed  other/"))
            .unwrap_or_else(|| panic!("{}", ran.stderr));
        let failed = failed.split_whitespace().next().unwrap();
        assert_eq!(scene.read(&format!("other/{failed}")), scene.read("out.failed.csv"));
        assert!(
            ran.stderr.contains("output  standard output") && ran.stderr.contains("report  other/"),
            "{}",
            ran.stderr
        );
        fs::remove_dir_all(scene.path("other")).unwrap();
    }
    assert_eq!(
        names(&scene),
        ["out.csv", "out.failed.csv", "out.report.json"],
        "no file is called - or stdout"
    );
    let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "-", "--json"]).expect(2);
    assert_eq!(ran.stdout, scene.read("out.csv"));
    let summary: serde_json::Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["event"], &summary["files"]["output"]), (&"summary".into(), &"-".into()));
}

#[test]
fn file_named_dash_is_written_when_it_has_a_folder() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&["run", "job.toml", "in.csv", "-o", "./-"]).expect(2);
    assert_eq!(column(&scene.read("-"), "twice"), ["11", "", "33"]);
}

#[test]
fn output_to_a_link_replaces_its_target() {
    let api = Api::start();
    let scene = scene(&api);
    fs::create_dir(scene.path("data")).unwrap();
    scene.write("data/real.csv", "before");
    symlink("data/real.csv", scene.path("out.csv")).unwrap();
    symlink("data/report.json", scene.path("out.report.json")).unwrap();
    scene.run(&RUN).expect(2);
    for (link, file) in [("out.csv", "data/real.csv"), ("out.report.json", "data/report.json")] {
        assert!(fs::symlink_metadata(scene.path(link)).unwrap().is_symlink(), "{link}");
        assert!(fs::symlink_metadata(scene.path(file)).unwrap().is_file(), "{file}");
    }
    assert_eq!(column(&scene.read("data/real.csv"), "twice"), ["11", "", "33"]);
    assert_eq!(fs::read_dir(scene.path("data")).unwrap().count(), 2, "nothing unfinished is left");
}

#[test]
fn output_to_a_pipe_is_written_into_it() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&RUN).expect(2);
    let pipe = scene.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "pipe", "--state", "other"]).expect(2);
    assert_eq!(read.join().unwrap(), scene.read("out.csv"));
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    assert!(ran.stdout.contains("report  other/") && !scene.exists("pipe.report.json"), "{}", ran.stdout);
}

#[test]
fn output_to_a_device_does_not_replace_it() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&["run", "job.toml", "in.csv", "-o", "/dev/null"]).expect(2);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert!(!fs::exists("/dev/null.report.json").unwrap() && !fs::exists("/dev/null.failed.csv").unwrap());
    // One that takes nothing: the responses are kept.
    let ran = scene.run(&["run", "job.toml", "in.csv", "-o", "/dev/full"]).expect(3);
    assert!(
        ran.stderr.contains("No space left on device") && ran.stderr.contains("the same command continues"),
        "{}",
        ran.stderr
    );
    assert_eq!(api.count(), 3);
}

#[test]
fn replaced_file_keeps_its_permissions() {
    let api = Api::start();
    let scene = scene(&api);
    for mode in [0o600, 0o640, 0o666] {
        scene.write("out.csv", "before");
        fs::set_permissions(scene.path("out.csv"), Permissions::from_mode(mode)).unwrap();
        scene.run(&RUN).expect(2);
        assert_eq!(fs::metadata(scene.path("out.csv")).unwrap().mode() & 0o7777, mode);
    }
    let ran = scene.run_as(
        "sh",
        &[
            "-c",
            &format!(
                "umask 027; exec '{}' run job.toml in.csv -o new.csv",
                env!("CARGO_BIN_EXE_throughline")
            ),
        ],
    );
    ran.expect(2);
    assert_eq!(
        fs::metadata(scene.path("new.csv")).unwrap().mode() & 0o7777,
        0o640,
        "a new file has what the umask leaves"
    );
}

#[test]
fn outputs_never_replace_the_files_of_a_run() {
    let api = Api::start();
    let scene = scene(&api);
    let before = fs::read(scene.path("in.csv")).unwrap();
    fs::hard_link(scene.path("in.csv"), scene.path("hard.csv")).unwrap();
    symlink("in.csv", scene.path("soft.csv")).unwrap();
    scene.write("out.failed.csv", &before);
    scene.write("out.report.json", &before);
    scene.write("key.txt", "k");
    scene.write(
        "secret.toml",
        job(&api)
            .request("headers = { a = \"{{ secret.K }}\" }")
            .tables("[secrets]\nK = \"file:key.txt\"")
            .to_string(),
    );
    for (args, part) in [
        (&["run", "job.toml", "in.csv", "-o", "in.csv"][..], "is the input"),
        (&["run", "job.toml", "in.csv", "-o", "./in.csv"], "is the input"),
        (&["run", "job.toml", "in.csv", "-o", "hard.csv"], "is the input"),
        (&["run", "job.toml", "in.csv", "-o", "soft.csv"], "is the input"),
        (&["run", "job.toml", "in.csv", "-o", "job.toml"], "is the job file"),
        (&["run", "secret.toml", "in.csv", "-o", "key.txt"], "is the file of a secret"),
        (&["run", "job.toml", "out.failed.csv", "-o", "out.csv"], "throughline redrive"),
        (&["run", "job.toml", "out.report.json", "-o", "out.csv"], "is the input, which the report"),
        (&["run", "job.toml", "in.csv", "-o", ".throughline/.lock"], "state folder"),
        (&["run", "job.toml", "in.csv", "-o", "state/out.csv", "--state", "state"], "state folder"),
        (&["redrive", "job.toml", "in.csv", "-o", "in.csv"], "is the input"),
    ] {
        let ran = scene.run(args).expect(1);
        assert!(ran.stderr.contains(part), "{args:?}\n{}", ran.stderr);
    }
    fs::create_dir_all(scene.path("state/sub")).unwrap();
    symlink("state/sub", scene.path("way")).unwrap();
    for output in ["state/out.csv", "state/sub/out.csv", "way/out.csv"] {
        let ran = scene.run(&["run", "job.toml", "in.csv", "-o", output, "--state", "state"]).expect(1);
        assert!(ran.stderr.contains("is in the state folder"), "{output}\n{}", ran.stderr);
    }
    // The failed lines of a run without -o: the next run would write its own there.
    scene.run(&["run", "job.toml", "in.csv"]).expect(2);
    let ran = scene
        .run(&[
            "run",
            "job.toml",
            ".throughline/jobs/JOB/failed/in.csv".replace("JOB", &scene.job_name()).as_str(),
        ])
        .expect(1);
    assert!(
        ran.stderr.contains("is in the state folder") && ran.stderr.contains("redrive"),
        "{}",
        ran.stderr
    );
    for kept in ["in.csv", "hard.csv", "out.failed.csv", "out.report.json"] {
        assert_eq!(fs::read(scene.path(kept)).unwrap(), before, "{kept}");
    }
    assert_eq!(scene.read("key.txt"), "k");
    assert_eq!(api.count(), 3);
}

#[test]
fn failed_file_of_another_run_is_kept() {
    let api = Api::start();
    let scene = scene(&api);
    scene.write("good.csv", "kind,id\nok,4\n");
    scene.write("out.failed.csv", "somebody's own");
    let ran = scene.run(&["run", "job.toml", "good.csv", "-o", "out.csv"]).expect(0);
    assert_eq!(scene.read("out.failed.csv"), "somebody's own");
    assert!(ran.stdout.contains("out.failed.csv exists and does not belong to this run"), "{}", ran.stdout);
    // The run's own go when its lines have succeeded.
    scene.write("job.toml", job(&api).to_string());
    scene.write("in.csv", "kind,id\nflaky,7\n");
    api.set_broken(true);
    scene.run(&RUN).expect(2);
    assert_eq!(column(&scene.read("out.failed.csv"), "id"), ["7"]);
    api.set_broken(false);
    let ran = scene.run(&["redrive", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    assert!(!scene.exists("out.failed.csv"), "{}", ran.stdout);
}

#[test]
fn unwritable_output_is_found_before_the_first_request() {
    let api = Api::start();
    let scene = scene(&api);
    fs::create_dir(scene.path("folder.csv")).unwrap();
    fs::create_dir(scene.path("taken.report.json")).unwrap();
    fs::create_dir(scene.path("gone.failed.csv")).unwrap();
    symlink("round.csv", scene.path("round.csv")).unwrap();
    symlink("nowhere/x.csv", scene.path("dangling.csv")).unwrap();
    scene.write("file", "");
    let long = format!("{}.csv", "n".repeat(245));
    for (output, part) in [
        ("nowhere/out.csv", "there is no folder nowhere"),
        ("file/out.csv", "ot a directory"),
        ("folder.csv", "folder"),
        ("taken.csv", "taken.report.json"),
        ("gone.csv", "gone.failed.csv"),
        ("round.csv", "cannot write round.csv"),
        ("dangling.csv", "there is no folder nowhere"),
        ("s3://bucket/out.csv", "s3://"),
        (&long, "too long"),
        ("/proc/out.csv", "cannot write /proc/out.csv"),
        ("/sys/out.csv", "cannot write /sys/out.csv"),
    ] {
        let ran = scene.run(&["run", "job.toml", "in.csv", "-o", output]).expect(1);
        assert!(ran.stderr.contains(part), "{output}\n{}", ran.stderr);
    }
    assert_eq!(api.count(), 0);
    assert!(!scene.exists(".throughline"));
}

#[test]
fn unwritable_output_at_the_end_loses_no_response() {
    let api = Api::start();
    let scene = scene(&api);
    fs::create_dir(scene.path("data")).unwrap();
    api.respond_only(0);
    let running = scene.start(&["run", "job.toml", "in.csv", "-o", "data/out.csv"]);
    wait_until("a request", || api.count() > 0);
    fs::remove_dir(scene.path("data")).unwrap();
    api.respond_all();
    let ran = running.wait().expect(3);
    assert!(
        ran.stderr.contains("cannot write data/out.csv") && ran.stderr.contains("the same command"),
        "{}",
        ran.stderr
    );
    fs::create_dir(scene.path("data")).unwrap();
    scene.run(&["run", "job.toml", "in.csv", "-o", "data/out.csv"]).expect(2);
    assert_eq!(column(&scene.read("data/out.csv"), "twice"), ["11", "", "33"]);
    assert_eq!(api.count(), 3);
}

#[test]
fn unfinished_output_of_a_killed_process_is_removed() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&RUN).expect(2);
    let prefix = format!(".throughline-{}-", &blake3::hash(b"out.csv").to_hex()[..8]);
    let dead = format!("{prefix}{}", "0".repeat(32));
    let live = format!("{prefix}{}", "1".repeat(32));
    let other = format!("{prefix}of-the-user");
    for name in [&dead, &live, &other] {
        scene.write(name, "");
    }
    let held = fs::File::open(scene.path(&live)).unwrap();
    held.lock().unwrap();
    symlink("in.csv", scene.path(&format!("{prefix}{}", "2".repeat(32)))).unwrap();
    scene.run(&RUN).expect(2);
    assert!(!scene.exists(&dead) && scene.exists(&live) && scene.exists(&other));
    assert!(scene.exists("in.csv"));
}

#[test]
fn closed_standard_output_ends_the_command_quietly() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&RUN).expect(2);
    scene.write("machine.json", include_str!("../../definition.asl.json"));
    for args in [
        &["check", "job.toml", "in.csv"][..],
        &RUN,
        &["run", "job.toml", "in.csv", "--json"],
        &["run", "job.toml", "in.csv", "-o", "-"],
        &["states", "graph", "machine.json"],
        &["states", "graph", "machine.json", "-o", "/dev/stdout"],
        &["states", "validate", "machine.json"],
        &["--help"],
    ] {
        for stderr in [false, true] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut command = scene.command(args);
            if stderr {
                command.stderr(writer.try_clone().unwrap());
            }
            command.stdout(writer);
            let ended = command.spawn().unwrap().wait_with_output().unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert!(!said.contains("panicked"), "{args:?}: {said}");
            assert!(matches!(ended.status.code(), Some(141 | 0)), "{args:?}: {:?} {said}", ended.status);
        }
    }
    // A run that is under way stops like an interrupted one and can be continued.
    fs::remove_dir_all(scene.path(".throughline")).unwrap();
    api.forget();
    api.respond_only(1);
    let mut running =
        scene.command(&["run", "job.toml", "in.csv", "--json"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    running.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(running.stdout.take());
    api.respond_all();
    let ended = running.wait_with_output().unwrap();
    assert!(matches!(ended.status.code(), Some(141)), "{:?}", ended.status);
    scene.run(&RUN).expect(2);
    assert_eq!(column(&scene.read("out.csv"), "twice"), ["11", "", "33"]);
    assert_eq!(api.hits()["/ok/1"] + api.hits()["/ok/3"], 2, "nothing was sent twice");
}

#[test]
fn full_standard_output_fails_the_command() {
    let api = Api::start();
    let scene = scene(&api);
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for args in [&["check", "job.toml", "in.csv"][..], &RUN] {
        let ran = scene.run_with(args, |command| _ = command.stdout(full())).expect(3);
        assert!(ran.stderr.contains("cannot write to standard output: No space left"), "{}", ran.stderr);
    }
    let ran = scene
        .run_with(&["run", "job.toml", "in.csv", "-o", "-"], |command| _ = command.stdout(full()))
        .expect(3);
    assert!(ran.stderr.contains("the same command continues"), "{}", ran.stderr);
}
