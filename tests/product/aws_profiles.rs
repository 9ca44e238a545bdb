//! The profile that the user names decides which account a command reaches.

use testing::{HttpServer, Output, Scene, response};

/// A user with keys in the environment, and the profile `other` with other keys.
fn scene() -> Scene {
    let scene = Scene::new("[request]\nurl = \"https://api.example.com/{{ line }}\"\n", "in.txt", "a\n");
    scene.write("credentials", "[other]\naws_access_key_id = PROFILEKEY\naws_secret_access_key = secret\n");
    scene.write("config", "[profile third]\nregion = eu-west-1\n");
    scene
}

fn submit(scene: &Scene, endpoint: &str, options: &[&str], variables: &[(&str, &str)]) -> Output {
    let stack = ["--bucket", "b", "--region", "us-east-1", "--endpoint-url", endpoint];
    let args = [&["submit", "job.toml", "in.txt"], &stack[..], options].concat();
    let environment = |command: &mut std::process::Command| {
        command
            .env("AWS_ACCESS_KEY_ID", "ENVKEY")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_SHARED_CREDENTIALS_FILE", scene.path("credentials"))
            .env("AWS_CONFIG_FILE", scene.path("config"))
            .envs(variables.iter().copied());
    };
    scene.start_with(&args, environment).wait()
}

#[test]
fn profile_of_the_command_line_wins_over_keys_in_the_environment() {
    let scene = scene();
    for (options, variables, key) in [
        (&["--profile", "other"][..], &[][..], "PROFILEKEY"),
        (&["--profile", "other"], &[("AWS_PROFILE", "third")], "PROFILEKEY"),
        (&[], &[("AWS_PROFILE", "other")], "ENVKEY"),
        (&[], &[], "ENVKEY"),
    ] {
        let server = HttpServer::start(|_, _| response(403, ""));
        submit(&scene, &server.url(""), options, variables).expect(1);
        let requests = server.requests();
        let authorization = requests[0].header("authorization").unwrap();
        assert!(authorization.contains(&format!("Credential={key}/")), "{options:?} {authorization}");
    }
}

#[test]
fn profile_that_does_not_exist_is_named_before_a_request() {
    let scene = scene();
    let server = HttpServer::start(|_, _| response(403, ""));
    for (options, variables, origin) in [
        (&["--profile", "otter"][..], &[][..], "(--profile)"),
        (&[], &[("AWS_PROFILE", "otter")], "(AWS_PROFILE)"),
    ] {
        let said = submit(&scene, &server.url(""), options, variables).expect(1).stderr;
        for part in ["has no profile \"otter\"", origin, "it has other, third"] {
            assert!(said.contains(part), "{part}\n{said}");
        }
    }
    assert_eq!(server.count(), 0);
}
