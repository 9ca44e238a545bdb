//! A job of a server has its own secrets, and reads nothing else of the server.

use std::os::unix::fs::PermissionsExt;

use testing::{Api, JobFile, Scene};

use crate::runs::ALLOW;
use crate::server::Server;

fn job(api: &Api, secrets: &str) -> String {
    JobFile::get(api.url("/ok/{{ line }}"))
        .request("headers = { authorization = \"Bearer {{ secret.PLACES_KEY }}\" }")
        .unlimited(api.host())
        .tables(secrets)
        .to_string()
}

#[tokio::test]
async fn a_job_reads_its_own_secrets_and_neither_the_environment_nor_files_of_the_server() {
    let api = Api::start();
    let scene = Scene::new("", "key.txt", "of-the-files-of-the-server");
    scene.write("serve.toml", ALLOW);
    let server = Server::in_folder_with(scene, &[], &[("PLACES_KEY", "of-the-environment-of-the-server")]);
    let message = async |file: &str| {
        server.upload(&format!("jobs/places/input/{file}"), "1\n").await;
        server.report("places", file).await["message"].as_str().unwrap().to_owned()
    };
    server.upload("jobs/places/job.toml", job(&api, "")).await;
    let said = message("bare.txt").await;
    assert!(said.contains("throughline secret set places PLACES_KEY --state .throughline"), "{said}");
    server.upload("jobs/places/job.toml", job(&api, "[secrets]\nPLACES_KEY = \"env:OTHER\"")).await;
    let said = message("env.txt").await;
    assert!(said.contains("throughline secret set places OTHER"), "{said}");
    let file = format!("[secrets]\nPLACES_KEY = \"file:{}\"", server.scene.path("key.txt").display());
    server.upload("jobs/places/job.toml", job(&api, &file)).await;
    let said = message("file.txt").await;
    assert!(said.contains("reads only its own secrets") && said.contains("env:NAME"), "{said}");
    assert_eq!(api.count(), 0, "nothing was sent");

    let scene = &server.scene;
    let set = |job: &str, value: &str| {
        scene.write("value", value);
        let args =
            ["-c", "\"$0\" secret set \"$1\" PLACES_KEY < value", testing::binary().to_str().unwrap(), job]
                .map(str::to_owned);
        scene.run_as("sh", &args.each_ref().map(String::as_str))
    };
    set("places", "s3cr3t-of-places\n").expect(0);
    set("other", "s3cr3t-of-other\n").expect(0);
    let path = scene.path(".throughline/.serve/secrets/places/PLACES_KEY");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    server.upload("jobs/places/job.toml", job(&api, "")).await;
    server.upload("jobs/places/input/set.txt", "1\n").await;
    assert_eq!(server.report("places", "set.txt").await["ok"], 1);
    let sent = api.requests();
    assert_eq!(sent[0].headers["authorization"], "Bearer s3cr3t-of-places");
    // Secrets are not objects of the store.
    let read = server.client.s3().get_object().bucket("throughline").key(".serve/secrets/places/PLACES_KEY");
    assert!(read.send().await.is_err());
    let listed = server.client.s3().list_objects_v2().bucket("throughline").send().await.unwrap();
    let secrets = |object: &aws_sdk_s3::types::Object| object.key().unwrap_or_default().contains("secrets");
    assert!(!listed.contents().iter().any(secrets));
}

#[test]
fn secrets_are_listed_by_name_and_removed() {
    let scene = Scene::new("", "value", "v\n");
    let set = |job: &str, name: &str| {
        let binary = testing::binary();
        let script = "\"$0\" secret set \"$1\" \"$2\" < value";
        scene.run_as("sh", &["-c", script, binary.to_str().unwrap(), job, name])
    };
    set("a", "TWO").expect(0);
    set("a", "ONE").expect(0);
    assert_eq!(scene.run(&["secret", "list", "a"]).expect(0).stdout, "ONE\nTWO\n");
    scene.run(&["secret", "remove", "a", "ONE"]).expect(0);
    assert_eq!(scene.run(&["secret", "list", "a"]).expect(0).stdout, "TWO\n");
    let missing = scene.run(&["secret", "remove", "a", "ONE"]).expect(1).stderr;
    assert!(missing.contains("the job a has no secret ONE"), "{missing}");
    for (job, name) in [("../a", "K"), ("a", "../K"), (".a", "K"), ("a", "")] {
        let refused = set(job, name).expect(1).stderr;
        assert!(refused.contains("is not the name of a"), "{refused}");
    }
    scene.write("value", "\n");
    assert!(set("a", "K").expect(1).stderr.contains("it is empty"));
}
