//! Limits of several windows, quotas that last, costs, budgets, and limits that responses tell.

use std::time::Duration;

use testing::{HttpServer, JobFile, Scene, column, response, response_with, wait_until};

fn api() -> HttpServer {
    HttpServer::start(|_, _| response(200, "{}"))
}

fn lines(count: usize) -> String {
    std::iter::once("id,tokens\n".to_owned()).chain((1..=count).map(|n| format!("{n},{n}\n"))).collect()
}

fn job(api: &HttpServer, limit: &str) -> JobFile {
    JobFile::get(api.url("/{{ id }}")).limit(api.host(), limit)
}

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

#[test]
fn requests_of_a_long_window_are_counted_across_runs() {
    let api = api();
    let limit = "rate = [\"1000/s\", \"5/h\"]";
    let scene = Scene::new(job(&api, limit), "in.csv", lines(3));
    scene.run(&RUN).expect(0);
    assert_eq!(api.count(), 3);
    // Another job in the same state folder that names the same limit.
    scene.write("other.toml", job(&api, limit).column("seen", "status").to_string());
    scene.write("more.csv", lines(4));
    let running = scene.start(&["run", "other.toml", "more.csv", "-o", "more.out.csv"]);
    wait_until("the quota is used up", || api.count() == 5);
    let output = running.interrupt();
    assert_eq!(api.count(), 5, "{}", output.stderr);
    assert!(scene.files().iter().any(|file| file.to_string_lossy().contains("/quotas/")));
}

#[test]
fn requests_that_were_counted_and_not_sent_are_given_back() {
    let api = api();
    let limit = "rate = [\"1000/s\", \"200/h\"]";
    let scene = Scene::new(job(&api, limit), "in.csv", lines(60));
    scene.run(&RUN).expect(0);
    let quotas: Vec<_> =
        scene.files().into_iter().filter(|file| file.to_string_lossy().contains("/quotas/")).collect();
    let text = std::fs::read_to_string(&quotas[0]).unwrap();
    let counts: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sum: u64 = counts["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(sum, 60, "{text}");
}

#[test]
fn a_budget_ends_a_run_in_good_order_and_a_redrive_has_its_own() {
    let api = api();
    let budget = "[limits]\nmax_requests = 7\n";
    let job = JobFile::get(api.url("/{{ id }}")).tables(budget).unlimited(api.host());
    let scene = Scene::new(job, "in.csv", lines(10));
    scene.run(&RUN).expect(3);
    let output = scene.read("out.csv");
    let errors = column(&output, "error");
    assert_eq!(api.count(), 7);
    assert_eq!(errors.iter().filter(|error| error.is_empty()).count(), 7);
    assert_eq!(errors.iter().filter(|error| *error == "stopped").count(), 3, "{errors:?}");
    let details = column(&output, "error_detail");
    assert!(
        details.iter().any(|detail| detail.contains("the budget of 7 requests is used up")),
        "{details:?}"
    );
    scene.run(&["redrive", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    assert_eq!(api.count(), 10);
}

#[test]
fn a_budget_of_costs_counts_what_requests_cost() {
    let api = api();
    let job = JobFile::get(api.url("/{{ id }}"))
        .tables("[limits]\nmax_cost = 2\n")
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 1\ncost = \"0.3\"");
    let scene = Scene::new(job, "in.csv", lines(10));
    scene.run(&RUN).expect(3);
    assert_eq!(api.count(), 7, "six cost 1.8, so one more may be sent");
    let details = column(&scene.read("out.csv"), "error_detail");
    assert!(details.iter().any(|detail| detail.contains("the budget of 2 is spent")), "{details:?}");
    scene.run(&["redrive", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    assert_eq!(api.count(), 10);
}

#[test]
fn a_budget_that_suffices_stops_nothing() {
    let api = api();
    let job = JobFile::get(api.url("/{{ id }}"))
        .tables("[limits]\nmax_requests = 10\n")
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 300");
    let scene = Scene::new(job, "in.csv", lines(10));
    scene.run(&RUN).expect(0);
    assert_eq!(api.count(), 10);
}

#[test]
fn a_killed_run_never_forgets_what_it_has_counted() {
    let api = api();
    let scene = Scene::new(job(&api, "rate = [\"50/s\", \"80/h\"]"), "in.csv", lines(200));
    let running = scene.start(&RUN);
    wait_until("some are sent", || api.count() >= 30);
    running.kill();
    let before = api.count();
    let running = scene.start(&RUN);
    // Up to a second of requests had been counted in advance.
    wait_until("the quota is used up", || api.count() >= 80 - 50);
    wait_until("the wait is shown", || {
        scene.files().iter().any(|file| file.to_string_lossy().contains("/quotas/"))
    });
    let output = running.interrupt();
    assert!(api.count() <= 80, "{before} before, {} in all: {}", api.count(), output.stderr);
}

#[test]
fn a_request_counts_as_its_cost() {
    let api = api();
    // 100 a second are one each 10 ms: the line with n tokens is followed by n of them.
    let scene =
        Scene::new(job(&api, "rate = \"100/s\"\nin_flight = 1\ncost = \"{{ tokens }}\""), "in.csv", lines(8));
    scene.run(&RUN).expect(0);
    let arrivals = api.arrivals();
    let all = arrivals[7] - arrivals[0];
    assert!(all >= Duration::from_millis(10 * (1 + 2 + 3 + 4 + 5 + 6 + 7) - 10), "{arrivals:?}");
}

#[test]
fn a_cost_that_is_not_a_number_fails_its_line() {
    let api = api();
    let scene = Scene::new(
        job(&api, "rate = \"1000/s\"\ncost = \"{{ tokens }}\""),
        "in.csv",
        "id,tokens\n1,5\n2,many\n3,-1\n4,0\n",
    );
    scene.run(&RUN).expect(2);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "error"), ["", "render", "render", ""]);
    assert!(column(&output, "error_detail")[1].contains("the cost \"many\" is not a number"));
    assert_eq!(api.count(), 2);
}

#[test]
fn costs_count_against_quotas() {
    let api = api();
    let limit = "rate = [\"1000/s\", \"10/h\"]\nin_flight = 1\ncost = \"{{ tokens }}\"";
    let scene = Scene::new(job(&api, limit), "in.csv", "id,tokens\n1,4\n2,4\n3,4\n4,4\n");
    let running = scene.start(&RUN);
    // 4 + 4 are within 10; the third begins while two are left, and the fourth does not.
    wait_until("the quota is used up", || api.count() == 3);
    running.interrupt();
    assert_eq!(api.count(), 3);
}

#[test]
fn headers_of_successes_slow_requests_down_before_a_refusal() {
    // Ten requests in a second, as the headers say.
    let answer = |learn: &str| {
        let api = HttpServer::start(|n, _| {
            let (left, reset) = if n < 10 { (10 - n.min(9) - 1, "1") } else { (9, "0") };
            response_with(
                200,
                &[("x-ratelimit-remaining", &left.to_string()), ("x-ratelimit-reset", reset)],
                "{}",
            )
        });
        let limit = format!("rate = \"1000/s\"\nin_flight = 1\n{learn}");
        let scene = Scene::new(job(&api, &limit), "in.csv", lines(12));
        scene.run(&RUN).expect(0);
        let arrivals = api.arrivals();
        arrivals[10] - arrivals[0]
    };
    assert!(answer("learn = true") >= Duration::from_millis(1000));
}

#[test]
fn what_cannot_be_a_limit_is_refused_with_its_place() {
    let refused = |limits: &str, what: &str| {
        let job = format!("[request]\nurl = \"https://api.example.com/\"\n{limits}");
        let scene = Scene::new(job, "in.csv", "id\n1\n");
        let stderr = scene.run(&["check", "job.toml", "in.csv"]).expect(1).stderr;
        assert!(stderr.contains(what), "{limits}: {stderr}");
    };
    let named = |keys: &str| format!("[limits.\"api.example.com\"]\n{keys}");
    refused(&named("rate = [\"10/s\", \"5/week\"]"), "job.toml:4:8: \"5/week\" is not a rate");
    refused(&named("rate = \"1/0s\""), "job.toml:4:8: \"1/0s\" has a window of zero");
    refused(&named("rate = []"), "the list has no rate");
    refused(&named("rate = [\"10/s\", \"20/s\"]"), "two rates have the same window of 1s");
    refused(&named("rate = [\"10/s\", \"0.5/d\"]"), "holds less than one request");
    refused(&named("rate = \"1/s\"\ncost = \"{{ secret.K }}\""), "job.toml:5:8: a cost cannot name a secret");
    refused(&named("rate = \"unlimited\"\ncost = \"2\""), "the rate is unlimited");
    refused(&named("rate = \"1/s\"\ncost = \"{{ size }}\""), "names the column \"size\"");
    refused("[limits.default]\nrate = [\"1/s\", \"9/d\"]", "job.toml:4:8: only a named limit can count");
    refused("[limits]\nmax_requests = 0", "job.toml:4:16: max_requests = 0 must be at least 1");
}
