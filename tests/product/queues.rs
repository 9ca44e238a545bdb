//! On AWS, the runs of one job wait in the order in which they came, and the lanes of different jobs that have
//! the same limit take turns.

use testing::{Api, JobFile, column, wait_until};

use crate::cloud::{Cloud, Execution};

const LINES: usize = 30;

/// A job whose lines ask this API, by its named limit.
fn job(api: &Api) -> JobFile {
    JobFile::get("{{ url }}").column("twice", "$.twice").limit(api.host(), "rate = \"unlimited\"")
}

/// A file whose lines ask the API for `<name>-<n>`.
fn file(api: &Api, name: &str) -> String {
    (0..LINES).fold("url\n".to_owned(), |text, n| text + &api.url(&format!("/ok/{name}-{n}")) + "\n")
}

/// The names of the files whose lines the API was asked for, each time that another one began.
fn order(api: &Api) -> Vec<String> {
    let requests = api.requests();
    let name = |path: &str| path.trim_start_matches("/ok/").split('-').next().unwrap().to_owned();
    let mut names: Vec<String> = requests.iter().map(|request| name(request.path())).collect();
    names.dedup();
    names
}

async fn complete(cloud: &Cloud, execution: &mut Execution) {
    execution.succeeded().await;
    let twice = column(&cloud.output(&execution.run).await, "twice");
    assert!(twice.len() == LINES && twice.iter().all(|twice| !twice.is_empty()), "{twice:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_a_job_go_in_the_order_of_their_events_whoever_asks_first() {
    let (cloud, api) = (Cloud::new(), Api::start());
    cloud.put_job("places", job(&api)).await;
    api.respond_only(0);
    let mut first = cloud.upload("places", "a.csv", &file(&api, "a"), 0).await;
    wait_until("the first run sends", || api.count() > 0);
    let mut waiting = Vec::new();
    // Each is in the queue before the next one comes.
    for (n, (name, second)) in [("d", 3), ("b", 1), ("e", 4), ("c", 2)].into_iter().enumerate() {
        let upload = cloud.upload("places", &format!("{name}.csv"), &file(&api, name), second).await;
        cloud.wait_for("turns/places/queue/", n + 1).await;
        waiting.push(upload);
    }
    assert_eq!(order(&api), ["a"]);
    api.respond_all();
    complete(&cloud, &mut first).await;
    for execution in &mut waiting {
        complete(&cloud, execution).await;
    }
    assert_eq!(order(&api), ["a", "b", "c", "d", "e"]);
    assert_eq!(cloud.keys("turns/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_come_at_once_go_one_at_a_time() {
    let (cloud, api) = (Cloud::new(), Api::start());
    cloud.put_job("places", job(&api)).await;
    let names: Vec<String> = ('a'..='h').map(String::from).collect();
    let mut all = Vec::new();
    for name in &names {
        all.push(cloud.upload("places", &format!("{name}.csv"), &file(&api, name), 0).await);
    }
    for execution in &mut all {
        complete(&cloud, execution).await;
    }
    let mut order = order(&api);
    assert_eq!(order.len(), names.len(), "no file began twice: {order:?}");
    order.sort_unstable();
    assert_eq!(order, names);
    assert_eq!(cloud.keys("turns/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_that_is_aborted_in_the_queue_holds_nobody_up() {
    let (cloud, api) = (Cloud::new(), Api::start());
    cloud.put_job("places", job(&api)).await;
    api.respond_only(0);
    let mut first = cloud.upload("places", "a.csv", &file(&api, "a"), 0).await;
    wait_until("the first run sends", || api.count() > 0);
    let mut aborted = cloud.upload("places", "b.csv", &file(&api, "b"), 1).await;
    cloud.wait_for("turns/places/queue/", 1).await;
    let mut last = cloud.upload("places", "c.csv", &file(&api, "c"), 2).await;
    cloud.wait_for("turns/places/queue/", 2).await;
    aborted.abort().await;
    api.respond_all();
    complete(&cloud, &mut first).await;
    complete(&cloud, &mut last).await;
    assert_eq!(order(&api), ["a", "c"]);
    // A redrive of it is a run that comes now. It was never split, so it fails, and holds nobody up either.
    let failed = cloud.redrive(&aborted).await.ended().await;
    assert_eq!(failed["error"], "Run.Damaged", "{failed}");
    let mut again = cloud.upload("places", "b.csv", &file(&api, "b"), 3).await;
    complete(&cloud, &mut again).await;
    assert_eq!(cloud.keys("turns/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_of_different_jobs_take_turns_for_a_limit_and_other_lanes_do_not_wait() {
    let (cloud, shared, other) = (Cloud::new(), Api::start(), Api::start());
    for name in ["one", "two", "three"] {
        cloud.put_job(name, job(&shared)).await;
    }
    cloud.put_job("free", job(&other)).await;
    shared.respond_only(0);
    let mut one = cloud.upload("one", "a.csv", &file(&shared, "a"), 0).await;
    wait_until("the first job sends", || shared.count() > 0);
    let mut two = cloud.upload("two", "b.csv", &file(&shared, "b"), 1).await;
    cloud.wait_for("turns/limit/", 2).await;
    let mut three = cloud.upload("three", "c.csv", &file(&shared, "c"), 2).await;
    cloud.wait_for("turns/limit/", 3).await;
    let mut free = cloud.upload("free", "d.csv", &file(&other, "d"), 3).await;
    complete(&cloud, &mut free).await;
    assert_eq!(order(&shared), ["a"]);
    shared.respond_all();
    for execution in [&mut one, &mut two, &mut three] {
        complete(&cloud, execution).await;
    }
    assert_eq!(order(&shared), ["a", "b", "c"]);
    assert_eq!(cloud.keys("turns/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_is_free_when_its_lane_has_ended_though_the_run_has_not() {
    let (cloud, shared, slow) = (Cloud::new(), Api::start(), Api::start());
    // The lane of the shared limit fails as a whole, the other one goes on.
    let both =
        job(&shared).limit(slow.host(), "rate = \"unlimited\"").tables("[failure]\ntolerated = \"0%\"");
    cloud.put_job("both", both).await;
    cloud.put_job("one", job(&shared)).await;
    slow.respond_only(0);
    let input = format!("{}{}\n", file(&slow, "a"), shared.url("/status/404"));
    let mut both = cloud.upload("both", "a.csv", &input, 0).await;
    wait_until("both lanes send", || shared.count() == 1 && slow.count() > 0);
    let mut one = cloud.upload("one", "b.csv", &file(&shared, "b"), 1).await;
    complete(&cloud, &mut one).await;
    slow.respond_all();
    let failed = both.ended().await;
    assert_eq!(failed["error"], "Run.Failed", "{failed}");
    assert_eq!(cloud.keys("turns/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_of_an_aborted_run_is_free_when_its_workers_must_have_ended() {
    let (cloud, api) = (Cloud::new(), Api::start());
    cloud.put_job("one", job(&api)).await;
    cloud.put_job("two", job(&api)).await;
    api.respond_only(0);
    let mut one = cloud.upload("one", "a.csv", &file(&api, "a"), 0).await;
    wait_until("the first job sends", || api.count() > 0);
    let mut two = cloud.upload("two", "b.csv", &file(&api, "b"), 1).await;
    cloud.wait_for("turns/limit/", 2).await;
    one.abort().await;
    // The workers of the aborted run are told to end before the other job sends.
    cloud.wait_for(&one.run.keys().stop_run(0), 1).await;
    assert_eq!(order(&api), ["a"]);
    api.respond_all();
    complete(&cloud, &mut two).await;
    let requests = api.requests().len();
    let mut redriven = cloud.redrive(&one).await;
    complete(&cloud, &mut redriven).await;
    assert!(api.requests().len() <= requests + LINES);
    assert_eq!(cloud.keys("turns/").await, Vec::<String>::new());
}
