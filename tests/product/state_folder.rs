//! The state folder: its owner, its permissions, and links and files that others have put there.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use testing::{Api, JobFile, Running, Scene, wait_until};

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

fn job(api: &Api) -> JobFile {
    JobFile::get(api.url("/ok/{{ id }}")).unlimited(api.host())
}

fn scene(api: &Api) -> Scene {
    Scene::new(job(api), "in.csv", "id\n1\n2\n3\n")
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

/// A run that was cut off with its requests under way.
fn cut_off(api: &Api, scene: &Scene) {
    api.respond_only(0);
    let before = api.count();
    let running: Running = scene.start(&RUN);
    wait_until("a request", || api.count() > before);
    running.kill();
    api.respond_all();
}

/// The only file below the state folder with this part and this ending.
fn find(scene: &Scene, ending: &str, part: &str) -> std::path::PathBuf {
    let mut found: Vec<_> = scene.files();
    found.retain(|path| {
        let path = path.to_string_lossy();
        path.ends_with(ending) && path.contains("/.throughline/") && path.contains(part)
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn state_folder_is_private_whatever_the_umask() {
    let api = Api::start();
    for umask in ["000", "022", "777"] {
        let scene = scene(&api);
        api.respond_only(0);
        let before = api.count();
        let command =
            format!("umask {umask}; exec '{}' {}", env!("CARGO_BIN_EXE_throughline"), RUN.join(" "));
        let mut running = scene.start_as("sh", &["-c", &command]);
        wait_until("a request", || api.count() > before || running.has_ended());
        running.kill();
        api.respond_all();
        scene.run(&["run", "job.toml", "in.csv", "--fresh"]).expect(0);
        let state = scene.path(".throughline");
        assert_eq!(mode(&state), 0o700, "{umask}");
        let mut folders = vec![state];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                if kind.is_dir() {
                    assert_eq!(mode(&path), 0o700, "{umask} {}", path.display());
                    folders.push(path);
                } else if kind.is_file() {
                    assert_eq!(mode(&path), 0o600, "{umask} {}", path.display());
                    seen += 1;
                }
            }
        }
        assert!(seen > 5, "{seen}");
    }
}

#[test]
fn readable_state_folder_becomes_private() {
    let api = Api::start();
    let scene = scene(&api);
    fs::create_dir(scene.path(".throughline")).unwrap();
    fs::set_permissions(scene.path(".throughline"), Permissions::from_mode(0o777)).unwrap();
    scene.run(&RUN).expect(0);
    assert_eq!(mode(&scene.path(".throughline")), 0o700, "it was empty");
    for name in [".throughline", ".throughline/jobs", ".throughline/.s3"] {
        fs::set_permissions(scene.path(name), Permissions::from_mode(0o755)).unwrap();
    }
    scene.run(&RUN).expect(0);
    for name in [".throughline", ".throughline/jobs", ".throughline/.s3"] {
        assert_eq!(mode(&scene.path(name)), 0o700, "{name}");
    }
    // One with other things in it keeps its permissions.
    fs::create_dir(scene.path("shared")).unwrap();
    fs::set_permissions(scene.path("shared"), Permissions::from_mode(0o755)).unwrap();
    scene.write("shared/index.html", "");
    scene.run(&["run", "job.toml", "in.csv", "--state", "shared"]).expect(0);
    assert_eq!((mode(&scene.path("shared")), mode(&scene.path("shared/jobs"))), (0o755, 0o700));
}

#[test]
fn unsafe_state_folder_is_refused() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&RUN).expect(0);
    let state = scene.path(".throughline");
    let asked = api.count();
    let refused = |part: &str, args: &[&str]| {
        let ran = scene.run(args).expect(1);
        assert!(
            ran.stderr.contains("is not used as a state folder") && ran.stderr.contains(part),
            "{}",
            ran.stderr
        );
    };
    fs::set_permissions(&state, Permissions::from_mode(0o775)).unwrap();
    refused("others may write", &RUN);
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    symlink(".throughline", scene.path("link")).unwrap();
    for link in ["link", "link/", "./link/."] {
        refused("it is a link", &["run", "job.toml", "in.csv", "--state", link]);
    }
    scene.write("file", "");
    refused("it is not a folder", &["run", "job.toml", "in.csv", "--state", "file"]);
    fs::rename(scene.path(".throughline/jobs"), scene.path("jobs")).unwrap();
    symlink("../jobs", scene.path(".throughline/jobs")).unwrap();
    refused("it is a link", &RUN);
    fs::remove_file(scene.path(".throughline/jobs")).unwrap();
    fs::rename(scene.path("jobs"), scene.path(".throughline/jobs")).unwrap();
    if chown(&state, Some(12_345), None).is_ok() {
        refused("belongs to the user 12345", &RUN);
        scene.run_with(&RUN, |command| _ = command.env("SUDO_UID", "12345")).expect(0);
        chown(&state, Some(0), None).unwrap();
    }
    scene.run(&RUN).expect(0);
    assert_eq!(api.count(), asked);
}

#[test]
fn lock_that_is_a_link_is_refused() {
    let api = Api::start();
    let scene = scene(&api);
    scene.run(&RUN).expect(0);
    scene.write("precious.txt", "precious");
    let of_job = find(&scene, ".lock", "/.locks/job-");
    let of_job = of_job.strip_prefix(scene.path("")).unwrap().to_str().unwrap();
    for lock in [".throughline/.lock", ".throughline/.s3/lock", of_job] {
        for hard in [false, true] {
            let _ = fs::remove_file(scene.path(lock));
            match hard {
                true => fs::hard_link(scene.path("precious.txt"), scene.path(lock)).unwrap(),
                false => symlink(scene.path("precious.txt"), scene.path(lock)).unwrap(),
            }
            scene.run(&RUN).expect(1);
            assert_eq!(scene.read("precious.txt"), "precious");
        }
        fs::remove_file(scene.path(lock)).unwrap();
    }
    scene.run(&RUN).expect(0);
}

#[test]
fn a_planted_job_gets_no_secret() {
    let (api, thief) = (Api::start(), Api::start());
    let with_secret = |api: &Api| {
        job(api)
            .request("headers = { authorization = \"Bearer {{ secret.K }}\" }")
            .tables("[secrets]\nK = \"file:key.txt\"")
    };
    let scene = Scene::new(with_secret(&api), "in.csv", "id\n1\n2\n3\n");
    scene.write("key.txt", "s3cr3t-of-the-test");
    cut_off(&api, &scene);
    let runs = scene.path(".throughline/runs").join(scene.job_name());
    let runs = fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path().join("job.toml"));
    let copy = runs.filter(|copy| copy.exists()).last().unwrap();
    let good = fs::read(&copy).unwrap();
    // The run's copy of the job.
    fs::write(&copy, with_secret(&thief).to_string()).unwrap();
    let ran = scene.run(&RUN).expect(1);
    assert!(ran.stderr.contains("job.toml is not the job file that this run started with"), "{}", ran.stderr);
    fs::write(&copy, &good).unwrap();
    // A journal that was begun for another run.
    let event = find(&scene, ".event.json", "/.journal/");
    let text = fs::read_to_string(&event).unwrap();
    fs::write(&event, text.replace("in.csv", "other.csv")).unwrap();
    let ran = scene.run(&RUN).expect(1);
    assert!(ran.stderr.contains("it belongs to another run"), "{}", ran.stderr);
    fs::write(&event, text).unwrap();
    assert_eq!(thief.count(), 0);
    scene.run(&RUN).expect(0);
    assert_eq!(thief.count(), 0);
}

#[test]
fn links_in_the_state_folder_are_not_followed() {
    let api = Api::start();
    let scene = scene(&api);
    cut_off(&api, &scene);
    let name = scene.job_name();
    fs::create_dir(scene.path("elsewhere")).unwrap();
    symlink(scene.path("elsewhere"), scene.path(&format!(".throughline/jobs/{name}/output"))).unwrap();
    let ran = scene.run(&RUN);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("it is a link and not a folder of this store"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(scene.path("elsewhere")).unwrap().count(), 0, "nothing was written there");
    fs::remove_file(scene.path(&format!(".throughline/jobs/{name}/output"))).unwrap();
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv", "--fresh"]).expect(0);
    // The place of an output: the link goes, and what it leads to stays.
    scene.write("precious.txt", "precious");
    let output = scene.path(&format!(".throughline/jobs/{name}/output/in.csv"));
    fs::remove_file(&output).unwrap();
    symlink(scene.path("precious.txt"), &output).unwrap();
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv", "--fresh"]).expect(0);
    assert_eq!(scene.read("precious.txt"), "precious");
    assert!(fs::symlink_metadata(&output).unwrap().is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn a_job_with_secrets_leaves_no_core_dump() {
    let api = Api::start();
    for secret in [false, true] {
        let header = if secret { "headers = { authorization = \"{{ secret.K }}\" }" } else { "" };
        let scene = Scene::new(job(&api).request(header), "in.csv", "id\n1\n");
        api.respond_only(0);
        let before = api.count();
        let command = format!(
            "ulimit -S -c unlimited 2>/dev/null; exec '{}' {}",
            env!("CARGO_BIN_EXE_throughline"),
            RUN.join(" ")
        );
        let running = scene.start_as_with("sh", &["-c", &command], |command| _ = command.env("K", "s3cr3t"));
        wait_until("a request", || api.count() > before);
        let limits = fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
        let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let (soft, hard) =
            (cores.split_whitespace().nth(4).unwrap(), cores.split_whitespace().nth(5).unwrap());
        assert!(!secret || (soft, hard) == ("0", "0"), "{cores}");
        drop(running);
        api.respond_all();
    }
}
