//! The commands for runs on AWS, against a server, which has the same APIs.

use testing::{Api, JobFile, Output, column};

use crate::runs::ALLOW;
use crate::server::Server;

#[test]
fn the_commands_for_runs_on_aws_reach_the_runs_of_a_server() {
    let api = Api::start();
    let server = Server::start_with(ALLOW);
    let (scene, client) = (&server.scene, &server.client);
    let job = JobFile::get(api.url("/{{ kind }}/{{ vars.team }}{{ id }}?u={{ uuid() }}"))
        .column("twice", "$.twice")
        .unlimited(api.host())
        .tables("[vars]\nteam = \"a\"");
    scene.write("places.toml", job.to_string());
    scene.write("in.csv", "kind,id\nok,1\nnone,2\n");
    let endpoint = format!("http://{}", client.address);
    let options = ["--bucket", "throughline", "--endpoint-url", &endpoint, "--region", "us-east-1"];
    let run = |args: &[&str]| -> Output {
        scene.run_with(&[args, &options].concat(), |command| {
            command.env("AWS_ACCESS_KEY_ID", &client.id).env("AWS_SECRET_ACCESS_KEY", &client.secret);
        })
    };
    run(&["submit", "places.toml", "in.csv", "--set", "team=b", "--watch", "-o", "out.csv"]).expect(2);
    assert_eq!(column(&scene.read("out.csv"), "twice"), ["b1b1", ""], "the value of --set was sent");
    let missing = run(&["submit", "places.toml", "in.csv", "--set", "tem=b"]).expect(1).stderr;
    assert!(missing.contains("--set names \"tem\""), "{missing}");

    let listed = run(&["runs", "--json"]).expect(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let id = listed["run"].as_str().unwrap();
    let shown = run(&["show", id, "--line", "2"]).expect(0).stdout;
    let sent = api.requests().into_iter().find(|request| request.path() == "/none/b2").unwrap();
    assert!(shown.contains(&sent.uri) && shown.contains("http_404"), "{shown}");
    let status = run(&["status", id]).expect(0).stdout;
    assert!(status.contains("1 of 2 succeeded, 1 failed"), "{status}");
    let exported = run(&["export", id, "-o", "-"]).expect(0).stdout;
    assert_eq!(exported, scene.read("out.csv"));
    let ended = run(&["stop", id]).expect(1).stderr;
    assert!(ended.contains("has already ended"), "{ended}");
}
