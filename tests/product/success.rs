//! Which responses count as success: `[response]`, `[retry] statuses`, `[request] redirects`, and methods.

use testing::{HttpServer, JobFile, Output, ReceivedRequest, Scene, column, response, response_with};

/// An API that responds with the status in a path's first part and a body for its second.
fn api() -> HttpServer {
    HttpServer::start(|_, request| {
        let path = request.path().to_owned();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let body = match parts[1] {
            "fine" => r#"{"name": "a", "errors": [], "left": 0}"#,
            "graphql" => r#"{"name": null, "errors": [{"message": "no such field"}]}"#,
            "denied" => r#"{"name": "refused", "reason": "too young"}"#,
            other => other,
        };
        let status = parts[0].parse().unwrap();
        response_with(status, &[("content-type", "application/json"), ("x-trace", parts[1])], body)
    })
}

fn job(api: &HttpServer, tables: &str) -> JobFile {
    JobFile::get(api.url("/{{ status }}/{{ what }}"))
        .column("name", "$.name")
        .column("seen", "status")
        .column("trace", "header.x-trace")
        .unlimited(api.host())
        .tables(tables)
}

fn run(job: &JobFile, input: &str, code: i32) -> (Scene, Output) {
    let scene = Scene::new(job, "in.csv", input);
    let output = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(code);
    (scene, output)
}

fn columns(scene: &Scene, names: &[&str]) -> Vec<Vec<String>> {
    let output = scene.read("out.csv");
    names.iter().map(|name| column(&output, name)).collect()
}

fn paths(api: &HttpServer) -> Vec<String> {
    let mut paths: Vec<_> = api.requests().iter().map(|request| request.path().to_owned()).collect();
    paths.sort();
    paths
}

#[test]
fn statuses_of_the_job_count_as_success() {
    let api = api();
    let job = job(&api, "[response]\nsuccess = [\"2xx\", 404, \"503\"]\n[retry]\nattempts = 3");
    let (scene, _) = run(&job, "status,what\n201,fine\n404,denied\n503,fine\n410,denied\n", 2);
    assert_eq!(
        columns(&scene, &["name", "seen", "error"]),
        [["a", "refused", "a", ""], ["201", "404", "503", ""], ["", "", "", "http_410"]]
    );
    assert_eq!(api.count(), 4, "a success is not sent again");
}

#[test]
fn only_the_statuses_of_the_job_count_as_success() {
    let api = api();
    let (scene, _) = run(&job(&api, "[response]\nsuccess = [200]"), "status,what\n200,fine\n202,fine\n", 2);
    assert_eq!(columns(&scene, &["error"]), [["", "http_202"]]);
}

#[test]
fn fail_if_finds_the_error_in_a_response_of_status_200() {
    let api = api();
    let job = job(&api, "[response]\nfail_if = \"body.errors\"");
    let (scene, _) = run(&job, "status,what\n200,fine\n200,graphql\n200,denied\n", 2);
    assert_eq!(
        columns(&scene, &["name", "error"]),
        [["a", "", "refused"], ["", "fail_if", ""]],
        "an empty list and a member that is missing are false"
    );
    let detail = &columns(&scene, &["error_detail"])[0][1];
    assert!(detail.contains("no such field"), "{detail}");
    assert_eq!(api.count(), 3, "such a request is not sent again");
}

#[test]
fn conditions_see_status_headers_and_body() {
    let api = api();
    let failing = |condition: &str| {
        let job = job(&api, &format!("[response]\nfail_if = '''{condition}'''"));
        let scene = Scene::new(&job, "in.csv", "status,what\n200,fine\n206,graphql\n200,denied\n");
        let code = scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).code;
        assert!(code == 0 || code == 2, "{condition}: {code}");
        column(&scene.read("out.csv"), "error")
            .iter()
            .map(|error| u8::from(!error.is_empty()))
            .collect::<Vec<_>>()
    };
    assert_eq!(failing("status == 206"), [0, 1, 0]);
    assert_eq!(failing("status > 200 or 'reason' in body"), [0, 1, 1]);
    assert_eq!(failing("headers['x-trace'] == 'fine'"), [1, 0, 0]);
    assert_eq!(failing("{{ body.errors | default([]) | length > 0 }}"), [0, 1, 0]);
    assert_eq!(failing("body.errors | length > 0"), [0, 1, 1], "nothing has no length");
    assert_eq!(failing("body.errors[0].message is defined"), [0, 1, 0]);
    assert_eq!(failing("body.left == 0"), [1, 0, 0]);
    assert_eq!(failing("body.left"), [0, 0, 0], "zero is false");
    assert_eq!(failing("not body.name"), [0, 1, 0]);
    assert_eq!(failing("body.reason == 'too young'"), [0, 0, 1]);
}

#[test]
fn retry_if_sends_a_post_again_until_it_no_longer_holds() {
    let api = HttpServer::start(|n, _| {
        response(200, if n < 2 { r#"{"state": "busy"}"# } else { r#"{"state": "done", "name": "b"}"# })
    });
    let job = JobFile::post(api.url("/{{ id }}"))
        .column("name", "$.name")
        .unlimited(api.host())
        .tables("[response]\nretry_if = \"body.state == 'busy'\"\n[retry]\nattempts = 3");
    let (scene, _) = run(&job, "id\n1\n", 0);
    assert_eq!((columns(&scene, &["name"])[0][0].as_str(), api.count()), ("b", 3));

    let job = JobFile::post(api.url("/{{ id }}"))
        .unlimited(api.host())
        .tables("[response]\nretry_if = \"body.state == 'done'\"\n[retry]\nattempts = 2");
    let before = api.count();
    let (scene, _) = run(&job, "id\n1\n", 2);
    assert_eq!((columns(&scene, &["error"])[0][0].as_str(), api.count() - before), ("retry_if", 2));
}

#[test]
fn retry_if_decides_about_refusals_too() {
    let api = HttpServer::start(|n, _| match n {
        0 => response(409, r#"{"code": "locked"}"#),
        1 => response(409, r#"{"code": "exists"}"#),
        _ => response(500, ""),
    });
    let job = JobFile::post(api.url("/{{ id }}"))
        .unlimited(api.host())
        .tables("[response]\nretry_if = \"body.code == 'locked'\"");
    let (scene, _) = run(&job, "id\n1\n", 2);
    assert_eq!((columns(&scene, &["error"])[0][0].as_str(), api.count()), ("http_409", 2));
}

#[test]
fn a_wait_that_a_response_asks_for_holds_retry_if_back() {
    let api = HttpServer::start(|n, _| match n {
        0 => response_with(200, &[("retry-after-ms", "40")], r#"{"busy": true}"#),
        _ => response(200, "{}"),
    });
    let job = JobFile::get(api.url("/{{ id }}"))
        .unlimited(api.host())
        .tables("[response]\nretry_if = \"body.busy\"");
    run(&job, "id\n1\n", 0);
    let arrivals = api.arrivals();
    assert!((arrivals[1] - arrivals[0]).as_millis() >= 40, "{arrivals:?}");
}

#[test]
fn statuses_of_the_retry_table_are_sent_again() {
    let api = api();
    let job = job(&api, "[retry]\nattempts = 2\nstatuses = [404, \"50x\"]");
    let scene = Scene::new(&job, "in.csv", "status,what\n404,x\n");
    let refused = scene.run(&["run", "job.toml", "in.csv"]).expect(1);
    assert!(refused.stderr.contains("\"50x\" is not a status"), "{}", refused.stderr);

    let job = self::job(&api, "[retry]\nattempts = 2\nstatuses = [404]");
    run(&job, "status,what\n404,x\n500,y\n", 2);
    assert_eq!(paths(&api), ["/404/x", "/404/x", "/500/y"]);
}

#[test]
fn failed_lines_have_their_columns_where_the_job_wants_them() {
    let api = api();
    let with =
        |more: &str| job(&api, "[retry]\nattempts = 2\n[response]\nfail_if = \"body.reason\"").output(more);
    let input = "status,what\n200,denied\n404,denied\n404,<html>\n500,denied\n";
    let names = ["name", "seen", "trace", "error"];
    let errors = ["fail_if", "http_404", "http_404", "http_500"];
    let (scene, _) = run(&with("failed_columns = true"), input, 2);
    assert_eq!(
        columns(&scene, &names),
        [
            ["refused", "refused", "", "refused"],
            ["200", "404", "", "500"],
            ["denied", "denied", "", "denied"],
            errors
        ],
        "a body that is not JSON has no columns"
    );
    let (scene, _) = run(&with(""), input, 2);
    assert_eq!(columns(&scene, &names), [[""; 4], [""; 4], [""; 4], errors]);
}

#[test]
fn redirects_are_followed_as_far_as_the_job_says() {
    let api = HttpServer::start(|_, request| match request.path().trim_start_matches('/').parse::<u32>() {
        Ok(0) => response(200, r#"{"name": "end"}"#),
        Ok(left) => response_with(302, &[("location", &format!("/{}", left - 1))], ""),
        Err(_) => response(400, ""),
    });
    let error = |request: &str, tables: &str, hops: u32| {
        let job = JobFile::get(api.url("/{{ hops }}"))
            .request(request)
            .column("to", "header.location")
            .unlimited(api.host())
            .tables(tables);
        let scene = Scene::new(&job, "in.csv", format!("hops\n{hops}\n"));
        scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]);
        let [error, to] = ["error", "to"].map(|name| column(&scene.read("out.csv"), name).remove(0));
        format!("{error}{to}")
    };
    assert_eq!(error("", "", 5), "");
    assert_eq!(error("", "", 6), "redirect_loop");
    assert_eq!(error("redirects = 7", "", 7), "");
    assert_eq!(error("redirects = 1", "", 2), "redirect_loop");
    assert_eq!(error("redirects = 0", "", 2), "http_302");
    assert_eq!(error("", "[response]\nsuccess = [\"2xx\", \"3xx\"]", 2), "/1", "a success is not followed");
}

#[test]
fn any_method_can_be_sent() {
    let api = HttpServer::start(|_, _| response_with(200, &[("x-size", "12"), ("content-length", "12")], ""));
    for (method, body) in [("HEAD", ""), ("OPTIONS", ""), ("PURGE", ""), ("SEARCH", "body = \"x\"")] {
        let api = if method == "HEAD" {
            &api
        } else {
            &HttpServer::start(|_, _| response_with(200, &[("x-size", "12")], ""))
        };
        let job = JobFile::with_method(method, api.url("/{{ id }}"))
            .request(body)
            .column("size", "header.x-size")
            .unlimited(api.host());
        let (scene, _) = run(&job, "id\n1\n2\n", 0);
        assert_eq!(columns(&scene, &["size"]), [["12", "12"]], "{method}");
        let methods: Vec<_> =
            api.requests().into_iter().map(|ReceivedRequest { method, .. }| method).collect();
        assert_eq!(methods, [method, method]);
    }
}

#[test]
fn what_cannot_be_a_rule_is_refused_with_its_place() {
    let refused = |job: &str, what: &str| {
        let scene = Scene::new(format!("[request]\nurl = \"http://127.0.0.1/\"\n{job}"), "in.csv", "id\n1\n");
        let stderr = scene.run(&["check", "job.toml", "in.csv"]).expect(1).stderr;
        assert!(stderr.contains(what), "{job}: {stderr}");
    };
    refused("method = \"head\"", "job.toml:3:10: \"head\" is not a method: write \"HEAD\"");
    refused("method = \"CONNECT\"", "CONNECT cannot be the method");
    refused("redirects = 21", "job.toml:3:13: redirects must be from 0 to 20");
    refused("[response]\nsuccess = []", "no status counts as success");
    refused("[response]\nsuccess = [\"ok\"]", "job.toml:4:12: \"ok\" is not a status");
    refused("[response]\nfail_if = \"errors\"", "for a member of the body write body.errors");
    refused("[response]\nfail_if = \"body.x ==\"", "job.toml:4:11: bad expression");
    refused("[response]\nfail_if = \"body.x %}{{ 1\"", "bad expression");
    refused("[response]\nretry_if = \"body.x | nope\"", "there is no filter \"nope\"");
    refused("[response]\nfail_if = \"secret.KEY == body.x\"", "a condition cannot name a secret");
}
