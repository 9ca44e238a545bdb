//! A disk that is full: the real process, on a real file system.

use crate::api::Api;
use crate::support::{Ran, Scene};

const LINES: usize = 1_000;
/// Bytes that make items and output larger than one part of an upload: about twelve megabytes each.
const PAD: usize = 12_000;
const RUN: &str = "run disk.toml in.csv -o out.csv --state state";

fn scene(api: &Api) -> Scene {
    let host = api.host();
    let job = format!(
        "[request]\nurl = \"http://{host}/ok/{{{{ id }}}}\"\nallow = [\"127.0.0.1\"]\n[limits.\"{host}\"]\nrate = \"unlimited\"\n\
         [output]\ncolumns = {{ twice = \"$.twice\" }}\n"
    );
    let line = |n: usize| format!("{n},{}\n", "x".repeat(PAD));
    let scene = Scene::new("", "in.csv", std::iter::once("id,pad\n".to_owned()).chain((1..=LINES).map(line)).collect::<String>());
    scene.write("disk.toml", job);
    scene
}

fn shell(scene: &Scene, wrapper: &[&str], script: &str) -> Ran {
    let script = script.replace("THROUGHLINE", &format!("'{}' {RUN}", env!("CARGO_BIN_EXE_throughline")));
    scene.run_as(wrapper[0], &[&wrapper[1..], &["sh", "-c", &script]].concat())
}

fn expected(api: &Api) -> String {
    let whole = scene(api);
    whole.run(&RUN.split(' ').collect::<Vec<_>>()).expect(0);
    whole.read("out.csv")
}

/// A limit on the size of files stands for a full disk where nothing may be mounted.
#[test]
fn files_that_may_not_grow() {
    let api = Api::start();
    let expected = expected(&api);
    // In kilobytes: no part fits; no whole object does.
    for limit in [4_000, 8_000] {
        api.forget();
        let scene = scene(&api);
        let script = format!("trap '' XFSZ; ulimit -f {}; exec THROUGHLINE", limit * 2);
        let ran = shell(&scene, &["env"], &script).expect(3);
        assert!(ran.stderr.contains("File too large") && ran.stderr.contains("the same command continues"), "{}", ran.stderr);
        assert!(ran.stderr.contains("cannot write s3://throughline/"), "{}", ran.stderr);
        scene.run(&RUN.split(' ').collect::<Vec<_>>()).expect(0);
        assert!(scene.read("out.csv") == expected);
        assert_eq!(api.total(), LINES);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_without_room() {
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
        assert!(ran.stderr.contains("No space left on device") && ran.stderr.contains("the same command continues"), "{}", ran.stderr);
        ran.expect(0);
        assert!(scene.read("out.csv") == expected);
        assert_eq!(api.total(), LINES, "{size}");
    }
}
