//! Several requests for one line: `[[then]]` and `[pages]`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use testing::{
    HttpServer, JobFile, Output, ReceivedRequest, Scene, column, response, response_with, wait_until,
};

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

fn run(job: JobFile, input: &str, code: i32) -> (Scene, Output) {
    let scene = Scene::new(job, "in.csv", input);
    let output = scene.run(&RUN).expect(code);
    (scene, output)
}

fn outputs(scene: &Scene, name: &str) -> Vec<String> {
    column(&scene.read("out.csv"), name)
}

fn parameter<'a>(request: &'a ReceivedRequest, name: &str) -> Option<&'a str> {
    let (_, query) = request.uri.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A list of five numbers, two on a page, by an offset in the query.
fn pages(next: impl Fn(usize) -> (String, Option<String>) + Clone + Send + Sync + 'static) -> HttpServer {
    HttpServer::start(move |_, request| {
        let at: usize =
            ["at", "cursor"].iter().find_map(|name| parameter(request, name)?.parse().ok()).unwrap_or(0);
        let items: Vec<_> = (at..(at + 2).min(5)).map(|n| json!({ "n": n })).collect();
        let (member, link) = if at + 2 < 5 { next(at + 2) } else { ("null".to_owned(), None) };
        let body = format!(r#"{{"items": {}, "next": {member}}}"#, json!(items));
        match link {
            Some(link) => response_with(200, &[("link", &*link)], &body),
            None => response(200, &body),
        }
    })
}

fn listing(api: &HttpServer, table: &str) -> JobFile {
    JobFile::get(api.url("/list?of={{ id }}"))
        .column("all", "$[*].n")
        .tables(format!("[pages]\nitems = \"$.items[*]\"\n{table}"))
        .unlimited(api.host())
}

#[test]
fn pages_follow_a_url_of_the_body() {
    let api = pages(|at| (format!("\"/list?of=a&at={at}\""), None));
    let (scene, _) = run(listing(&api, "next = \"$.next\""), "id\na\nb\n", 0);
    assert_eq!(outputs(&scene, "all"), ["[0,1,2,3,4]"; 2]);
    assert_eq!(api.count(), 6);
}

#[test]
fn pages_follow_the_header_link() {
    let api = pages(|at| ("null".to_owned(), Some(format!("</x>; rel=prev, </list?at={at}>; rel=\"next\""))));
    let (scene, _) = run(listing(&api, "next = \"link\""), "id\na\n", 0);
    assert_eq!(outputs(&scene, "all"), ["[0,1,2,3,4]"]);
}

#[test]
fn pages_follow_a_cursor() {
    let api = pages(|at| (at.to_string(), None));
    let (scene, _) = run(listing(&api, "cursor = \"$.next\"\nparam = \"cursor\""), "id\na b\n", 0);
    assert_eq!(outputs(&scene, "all"), ["[0,1,2,3,4]"]);
    let last = api.requests().pop().unwrap();
    assert_eq!((parameter(&last, "of"), parameter(&last, "cursor")), (Some("a+b"), Some("4")));
}

#[test]
fn pages_are_counted_until_one_is_empty() {
    let api = HttpServer::start(|_, request| {
        let page: usize = parameter(request, "page").unwrap_or("1").parse().unwrap();
        let items: Vec<_> = (page..4).take(1).collect();
        response(200, &json!({ "items": items }).to_string())
    });
    let job = JobFile::get(api.url("/list"))
        .column("all", "$[*]")
        .column("whole", "body")
        .tables("[pages]\nnumber = \"page\"\nitems = \"$.items[*]\"")
        .unlimited(api.host());
    let (scene, _) = run(job, "id\na\n", 0);
    assert_eq!(
        (outputs(&scene, "all"), outputs(&scene, "whole")),
        (vec!["[1,2,3]".to_owned()], vec!["[1,2,3]".to_owned()])
    );
    assert_eq!(api.count(), 4, "the fourth page is empty");
}

#[test]
fn a_page_that_fails_is_sent_again_and_the_others_are_not() {
    let api = HttpServer::start(|n, request| {
        if n == 1 {
            return response(503, "busy");
        }
        let last = request.uri.contains("at=2");
        response(200, if last { r#"{"items": [2]}"# } else { r#"{"items": [1], "next": "?at=2"}"# })
    });
    let job = listing(&api, "next = \"$.next\"").column("body", "$");
    let (scene, _) = run(job, "id\na\n", 0);
    assert_eq!(outputs(&scene, "body"), ["[1,2]"]);
    let sent: Vec<_> = api.requests().iter().map(|request| request.uri.clone()).collect();
    assert_eq!(sent, ["/list?of=a", "/list?at=2", "/list?at=2"]);
}

#[test]
fn a_list_without_an_end_fails_its_line() {
    let api = HttpServer::start(|n, _| {
        response(200, &json!({ "items": [n], "next": format!("?at={n}") }).to_string())
    });
    let (scene, _) = run(listing(&api, "next = \"$.next\"\nmost = 3"), "id\na\n", 2);
    assert_eq!(outputs(&scene, "error"), ["too_large"]);
    assert!(outputs(&scene, "error_detail")[0].contains("more than 3 pages"));
    assert_eq!(api.count(), 3);
}

#[test]
fn pages_stay_at_the_origin_of_the_line() {
    let other = HttpServer::start(|_, _| response(200, "{}"));
    let elsewhere = other.url("/stolen");
    let api =
        HttpServer::start(move |_, _| response(200, &json!({ "items": [1], "next": elsewhere }).to_string()));
    let (scene, _) = run(listing(&api, "next = \"$.next\""), "id\na\n", 2);
    assert_eq!(outputs(&scene, "error"), ["url"]);
    assert_eq!(other.count(), 0);
}

#[test]
fn every_page_counts_against_the_budget() {
    let api = pages(|at| (format!("\"?at={at}\""), None));
    let scene = Scene::new(listing(&api, "next = \"$.next\""), "in.csv", "id\na\nb\n");
    let job = scene.read("job.toml").replace("[limits", "[limits]\nmax_requests = 4\n[limits");
    scene.write("job.toml", job);
    scene.run(&RUN);
    assert_eq!(api.count(), 4);
}

/// Looks an id up, and then its detail.
fn detail_job(api: &HttpServer) -> JobFile {
    JobFile::get(api.url("/find?name={{ name }}"))
        .column("city", "$.city")
        .tables("[[then]]\nurl = \"/things/{{ response.body.id }}?of={{ name }}\"\nheaders = { x-first = \"{{ responses[0].status }}\" }")
        .unlimited(api.host())
}

#[test]
fn a_step_sees_the_response_before_it() {
    let api = HttpServer::start(|_, request| match request.path() {
        "/find" => response(200, r#"{"id": "a/b"}"#),
        "/things/a%2Fb" => response(200, &json!({ "city": request.header("x-first") }).to_string()),
        other => response(404, other),
    });
    let (scene, _) = run(detail_job(&api), "name\nAnna\n", 0);
    assert_eq!(outputs(&scene, "city"), ["200"]);
    assert_eq!(api.requests()[1].uri, "/things/a%2Fb?of=Anna");

    // The same file again: nothing is sent. Another step: the line is sent again.
    scene.run(&RUN).expect(0);
    assert_eq!(api.count(), 2);
    let edited = scene.read("job.toml").replace("?of=", "?for=");
    scene.write("job.toml", edited);
    scene.run(&[&RUN[..], &["--continue"]].concat()).expect(0);
    assert_eq!(api.count(), 4);

    let tried = scene.run(&["try", "job.toml", "in.csv", "--line", "1"]).expect(0).stdout;
    assert!(tried.contains("/find?name=Anna") && tried.contains("/things/a%2Fb?for=Anna"), "{tried}");
}

/// An API that takes work by POST, and has it done after some requests for its status.
struct Work {
    server: HttpServer,
    status: Arc<AtomicUsize>,
}

const DONE: usize = 0;
const RUNNING: usize = 1;
const BROKEN: usize = 2;

fn work(status: usize) -> Work {
    let status = Arc::new(AtomicUsize::new(status));
    let now = status.clone();
    let server = HttpServer::start(move |_, request| {
        if request.method == "POST" {
            let place = format!("/jobs/{}", request.body);
            return response_with(202, &[("location", &*place)], r#"{"accepted": true}"#);
        }
        match now.load(Ordering::SeqCst) {
            DONE => response(200, &json!({ "state": "done", "path": request.path() }).to_string()),
            BROKEN => response(500, "broken"),
            _ => response_with(200, &[("retry-after", "0")], r#"{"state": "running"}"#),
        }
    });
    Work { server, status }
}

fn work_job(api: &HttpServer, more: &str) -> JobFile {
    JobFile::post(api.url("/jobs"))
        .request("body = \"{{ id }}\"")
        .column("path", "$.path")
        .tables(format!(
            "[[then]]\nurl = \"{{{{ response.headers.location }}}}\"\nuntil = \"body.state == 'done'\"\n{more}"
        ))
        .unlimited(api.host())
}

fn count(api: &HttpServer, method: &str) -> usize {
    api.requests().iter().filter(|request| request.method == method).count()
}

#[test]
fn a_step_is_repeated_until_it_is_done() {
    let Work { server: api, status } = work(RUNNING);
    let scene = Scene::new(work_job(&api, "every = \"20ms\""), "in.csv", "id\n1\n2\n");
    let running = scene.start(&RUN);
    wait_until("both are asked for twice", || count(&api, "GET") >= 4);
    status.store(DONE, Ordering::SeqCst);
    running.wait().expect(0);
    assert_eq!(outputs(&scene, "path"), ["/jobs/1", "/jobs/2"]);
    assert_eq!(count(&api, "POST"), 2);
}

#[test]
fn a_step_that_does_not_end_in_time_fails_its_line() {
    let Work { server: api, .. } = work(RUNNING);
    let (scene, _) = run(work_job(&api, "every = \"10ms\"\nwithin = \"100ms\""), "id\n1\n", 2);
    assert_eq!(outputs(&scene, "error"), ["pending"]);
    assert!(outputs(&scene, "error_detail")[0].contains("running"));
}

#[test]
fn a_killed_run_goes_on_with_the_step_and_sends_no_post_again() {
    let Work { server: api, status } = work(RUNNING);
    let scene = Scene::new(work_job(&api, "every = \"20ms\""), "in.csv", "id\n1\n2\n3\n");
    let running = scene.start(&RUN);
    let kept = || {
        let files = scene.files().into_iter().filter(|file| file.to_string_lossy().ends_with(".begun"));
        files.map(|file| std::fs::read_to_string(file).unwrap().lines().count()).sum::<usize>()
    };
    wait_until("the responses are kept", || kept() == 3);
    running.kill();
    status.store(DONE, Ordering::SeqCst);
    scene.run(&RUN).expect(0);
    assert_eq!(outputs(&scene, "path"), ["/jobs/1", "/jobs/2", "/jobs/3"]);
    assert_eq!(count(&api, "POST"), 3);
}

#[test]
fn a_redrive_goes_on_with_the_step_that_failed() {
    let Work { server: api, status } = work(BROKEN);
    let job = work_job(&api, "every = \"10ms\"").tables("[retry]\nattempts = 1");
    let (scene, _) = run(job, "id\n1\n", 2);
    assert_eq!(outputs(&scene, "error"), ["http_500"]);
    status.store(DONE, Ordering::SeqCst);
    let redrive = ["redrive", "job.toml", "in.csv", "-o", "out.csv"];
    scene.run(&redrive).expect(0);
    assert_eq!((outputs(&scene, "path"), count(&api, "POST")), (vec!["/jobs/1".to_owned()], 1));
}

#[test]
fn an_edit_does_not_send_a_post_again_whose_step_has_failed() {
    let Work { server: api, status } = work(BROKEN);
    let job = work_job(&api, "every = \"10ms\"").tables("[retry]\nattempts = 1");
    let (scene, _) = run(job, "id\n1\n", 2);
    status.store(DONE, Ordering::SeqCst);
    scene.write("job.toml", format!("# an edit\n{}", scene.read("job.toml")));
    scene.run(&RUN).expect(2);
    assert_eq!((outputs(&scene, "error"), count(&api, "POST")), (vec!["http_500".to_owned()], 1));
}

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    let refused = |tables: &str, expected: &str| {
        let scene = Scene::new("", "in.csv", "id\n1\n");
        scene.write("job.toml", format!("[request]\nurl = \"https://a.example.com/{{{{ id }}}}\"\n{tables}"));
        let output = scene.run(&["check", "job.toml", "in.csv"]).expect(1);
        assert!(output.stderr.contains(expected), "{tables}\n{}", output.stderr);
    };
    refused("[pages]\n", "in one way");
    refused("[pages]\nnext = \"$.next\"\nnumber = \"page\"\nitems = \"$[*]\"", "in one way");
    refused("[pages]\ncursor = \"$.next\"", "job.toml:4:10");
    refused("[pages]\nnumber = \"page\"", "items");
    refused("[pages]\nnext = \"next\"", "job.toml:4:8");
    refused("[pages]\nnext = \"link\"\nmost = 0", "job.toml:5:8");
    refused("[[then]]\nurl = \"/{{ respnse.body.id }}\"", "respnse");
    refused("[then]\nurl = \"/x\"", "write [[then]]");
    refused("[[then]]\nurl = \"/x\"\nevery = \"1s\"", "until");
    refused("[[then]]\nurl = \"/x\"\nuntil = \"boddy.x\"", "job.toml:5:9");
    refused("[batch]\nlines = 2\n[[then]]\nurl = \"/x\"", "leave one of them out");
}
