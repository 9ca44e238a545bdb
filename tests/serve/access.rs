//! Who may do what: signatures, roles, and requests that are not what they should be.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn requests_without_a_valid_signature_are_refused() {
    let server = Server::start();
    let mode =
        std::fs::metadata(server.scene.path(".throughline/.serve/keys.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let client = &server.client;
    let other = client.with_key(&client.id, "wrong-secret-of-another-server");
    assert_eq!(other.call("ListStateMachines", &json!({})).await.1["__type"], "InvalidSignatureException");
    let nobody = client.with_key("NOBODY", "wrong-secret-of-another-server");
    assert_eq!(nobody.call("ListStateMachines", &json!({})).await.1["__type"], "UnrecognizedClientException");
    let mut unsigned = client.signed("ListStateMachines", "{}");
    unsigned.headers_mut().remove("authorization");
    let said = client.send(unsigned, "{}".into()).await.text().await.unwrap();
    assert!(said.contains("MissingAuthenticationTokenException"), "{said}");
    let changed =
        client.send(client.signed("ListStateMachines", "{}"), "{ }".into()).await.text().await.unwrap();
    assert!(changed.contains("InvalidSignatureException"), "{changed}");
    // Without the header of an operation a request is for the store, and as little allowed there.
    let http = reqwest::Client::new();
    let store = http.get(format!("http://{}/throughline", client.address)).send().await.unwrap();
    assert_eq!(store.status(), 403);
    assert_eq!(store.headers()["content-security-policy"], "sandbox");
}

#[tokio::test]
async fn keys_may_do_what_their_role_says() {
    let server = Server::start();
    let path = ".throughline/.serve/keys.toml";
    let keys = server.scene.read(path);
    let more = |id: &str, role: &str| {
        format!("\n[[key]]\nid = {id:?}\nsecret = \"0123456789abcdef0123\"\nrole = {role:?}\n")
    };
    server
        .scene
        .write(path, keys + &more("VIEW", "viewer") + &more("WORK", "worker") + &more("RUN", "operator"));
    let server = server.ended_and_started_again();
    let machine =
        server.machine("m", json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}})).await;
    let may = async |id: &str, operation: &str, input: serde_json::Value| {
        let client = server.client.with_key(id, "0123456789abcdef0123");
        client.call(operation, &input).await.1["__type"] != "AccessDeniedException"
    };
    let start = json!({"stateMachineArn": machine});
    for (id, list, run, delete) in
        [("VIEW", true, false, false), ("WORK", false, false, false), ("RUN", true, true, false)]
    {
        assert_eq!(may(id, "ListStateMachines", json!({})).await, list, "{id}");
        assert_eq!(may(id, "StartExecution", start.clone()).await, run, "{id}");
        assert_eq!(may(id, "DeleteStateMachine", start.clone()).await, delete, "{id}");
    }
    assert!(may("WORK", "SendTaskHeartbeat", json!({"taskToken": "t"})).await);
}

#[tokio::test]
async fn what_the_server_does_not_have_is_refused_by_name() {
    let server = Server::start();
    let unknown = server.refused("MakeCoffee", json!({})).await;
    assert_eq!(unknown.0, "UnknownOperationException");
    let key = json!({"name": "a", "encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "k"}});
    let kms = server.refused("CreateActivity", key).await;
    assert!(kms.1.contains("CUSTOMER_MANAGED_KMS_KEY is not supported"), "{}", kms.1);
    let member = server.refused("ListActivities", json!({"color": "red"})).await;
    assert!(member.1.contains("'color'"), "{}", member.1);
    let client = &server.client;
    for body in ["", "[]", "{", "{\"maxResults\": \"many\"}"] {
        let response = client.send(client.signed("ListActivities", body), body.to_owned()).await;
        assert_eq!(response.status(), 400, "{body}");
        let said = response.text().await.unwrap();
        assert!(said.contains("SerializationException"), "{body}: {said}");
    }
}
