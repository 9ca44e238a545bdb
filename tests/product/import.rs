//! `throughline import`: a curl command, an OpenAPI operation or the options of `qsv fetch` become a job.

use testing::{HttpServer, Scene, column, response};

fn api() -> HttpServer {
    HttpServer::start(|_, _| response(200, r#"{"place": [{"name": "x"}]}"#))
}

/// A job with the address of the API made reachable.
fn imported(scene: &Scene, args: &[&str]) -> String {
    let job = scene.run(&[&["import"], args].concat()).expect(0).stdout;
    job.replacen("[request]\n", "[request]\nallow = [\"127.0.0.1\"]\n", 1)
}

#[test]
fn a_curl_command_becomes_a_job_that_sends_the_same_request() {
    let api = api();
    let scene = Scene::new("", "in.csv", "id,q\n7,a b\n");
    let url = api.url("/v1/{{ id }}");
    let data = r#"{"q": {{ q }}}"#;
    let job = imported(
        &scene,
        &[
            "curl",
            "curl",
            "-sSL",
            "-XPUT",
            &url,
            "-H",
            "X-Team: blue",
            "-H",
            "Authorization: Bearer s3cr3t",
            "-d",
            data,
            "-m",
            "7",
        ],
    );
    assert!(!job.contains("s3cr3t") && job.contains("timeout = \"7s\""), "{job}");
    scene.write("job.toml", job);
    scene.run_with(&["run", "job.toml", "in.csv"], |command| _ = command.env("TOKEN", "t0ken")).expect(0);
    let request = &api.requests()[0];
    assert_eq!((request.method.as_str(), request.path()), ("PUT", "/v1/7"));
    assert_eq!(request.body, r#"{"q": "a b"}"#);
    assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
    assert_eq!(request.header("x-team"), Some("blue"));
}

#[test]
fn forms_queries_and_basic_authentication_of_curl() {
    let api = api();
    let scene = Scene::new("", "in.csv", "id,q\n7,a&b\n");
    let url = api.url("/form");
    scene.write(
        "form.toml",
        imported(&scene, &["curl", &url, "--data", "q={{ q }}", "-d", "n=1", "-u", "me:pw"]),
    );
    scene.run_with(&["run", "form.toml", "in.csv"], |command| _ = command.env("PASSWORD", "pw")).expect(0);
    let query = api.url("/find");
    scene.write("get.toml", imported(&scene, &["curl", "-G", &query, "--data-urlencode", "q={{ q }}"]));
    scene.run(&["run", "get.toml", "in.csv"]).expect(0);
    scene.write("parts.toml", imported(&scene, &["curl", &url, "-F", "a={{ q }}", "-F", "b=x"]));
    scene.run(&["run", "parts.toml", "in.csv"]).expect(0);
    let requests = api.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].body.as_str()), ("POST", "q=a%26b&n=1"));
    assert_eq!(requests[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(requests[0].header("authorization"), Some("Basic bWU6cHc="));
    assert_eq!((requests[1].method.as_str(), requests[1].uri.as_str()), ("GET", "/find?q=a%26b"));
    assert!(requests[2].header("content-type").unwrap().starts_with("multipart/form-data"));
}

#[test]
fn the_options_of_qsv_fetch_become_a_job() {
    let api = api();
    let scene = Scene::new("", "in.csv", "post code,id\n1 2,7\n");
    let template = api.url("/{post code}/{id}");
    let args = [
        "--url-template",
        &template,
        "--jaq",
        ".place[0].name",
        "--new-column",
        "city",
        "--rate-limit",
        "50",
    ];
    let job = imported(&scene, &[&["qsv", "fetch"], &args[..], &["in.csv"]].concat());
    assert!(job.contains("rate = \"50/s\""), "{job}");
    scene.write("job.toml", job);
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    assert_eq!(column(&scene.read("out.csv"), "city"), ["x"]);
    assert_eq!(api.requests()[0].path(), "/1%202/7");
}

#[test]
fn what_has_no_counterpart_is_refused_and_no_file_is_overwritten() {
    let scene = Scene::new("", "in.csv", "");
    for (args, message) in [
        (&["curl", "-k", "https://example.com"][..], "the option -k of curl has no counterpart"),
        (&["curl", "-d", "@body.json", "https://example.com"], "reads a file"),
        (&["curl", "-H", "x: y"], "the command has no URL"),
        (&["curl", "https://a.example", "https://b.example"], "a job has one URL"),
        (&["qsv", "fetch", "url", "--jaq", ".a | map(.b)"], "is more than a path"),
        (&["qsv", "fetch"], "give the column of the URLs"),
    ] {
        let refused = scene.run(&[&["import"], args].concat()).expect(1).stderr;
        assert!(refused.contains(message), "{args:?}: {refused}");
    }
    let same = scene.run(&["import", "-o", "a.toml", "curl", "https://example.com"]).expect(0);
    assert!(same.stderr.contains("every line sends the same request"), "{}", same.stderr);
    let again = scene.run(&["import", "-o", "a.toml", "curl", "https://example.com"]).expect(1).stderr;
    assert!(again.contains("a.toml exists and is not overwritten"), "{again}");
}

#[test]
fn an_openapi_operation_becomes_a_job() {
    let api = HttpServer::start(|_, _| response(201, r#"{"id": "o1", "state": "new", "lines": []}"#));
    let scene = Scene::new("", "in.csv", "shop,dry_run,sku,count,city\n7,true,a b,3,Ulm\n");
    let description = format!(
        r##"
openapi: 3.0.3
servers: [{{url: "{}"}}]
components:
  securitySchemes:
    key: {{type: apiKey, in: header, name: X-Key}}
  schemas:
    Order:
      type: object
      required: [sku, count, to]
      properties:
        sku: {{type: string}}
        count: {{type: integer}}
        note: {{type: string}}
        to: {{type: object, properties: {{city: {{type: string}}}}}}
security: [{{key: []}}]
paths:
  /shops/{{shop}}/orders:
    parameters: [{{name: shop, in: path, required: true, schema: {{type: string}}}}]
    post:
      operationId: createOrder
      parameters:
        - {{name: dry_run, in: query, required: true, schema: {{type: boolean}}}}
        - {{name: trace, in: query, schema: {{type: string}}}}
      requestBody:
        content: {{application/json: {{schema: {{$ref: "#/components/schemas/Order"}}}}}}
      responses:
        "201":
          content:
            application/json:
              schema:
                properties: {{id: {{type: string}}, state: {{type: string}}, lines: {{type: array}}}}
"##,
        api.url("/v2")
    );
    scene.write("shop.yaml", description);
    scene.write("job.toml", imported(&scene, &["openapi", "shop.yaml", "createOrder"]));
    assert_eq!(
        scene.read("job.toml"),
        imported(&scene, &["openapi", "shop.yaml", "POST /shops/{shop}/orders"])
    );
    scene
        .run_with(&["run", "job.toml", "in.csv", "-o", "out.csv"], |command| {
            _ = command.env("API_KEY", "k3y")
        })
        .expect(0);
    let request = &api.requests()[0];
    assert_eq!((request.method.as_str(), request.uri.as_str()), ("POST", "/v2/shops/7/orders?dry_run=true"));
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body, serde_json::json!({ "sku": "a b", "count": 3, "to": { "city": "Ulm" } }));
    assert_eq!(request.header("x-key"), Some("k3y"));
    assert_eq!(column(&scene.read("out.csv"), "response_state"), ["new"]);
    let unknown = scene.run(&["import", "openapi", "shop.yaml", "dropOrder"]).expect(1).stderr;
    assert!(unknown.contains("there is no operation \"dropOrder\"; there are: createOrder"), "{unknown}");
}
