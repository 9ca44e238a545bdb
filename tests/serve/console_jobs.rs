//! The pages of jobs and runs from outside: without script, with text of strangers, and with keys that may not.

use serde_json::json;
use testing::{HttpServer, JobFile, Scene, response};

use crate::console::{Browser, PLANTED, links};
use crate::server::Server;

/// What may be the name of a file and of a job.
const PLANTED_NAME: &str = "<img src=x onerror=alert(1)>\">";

/// A server with one job, whose provider answers the lines that begin with `bad` with text that runs if a page does not
/// escape it.
fn server() -> (Server, HttpServer, String) {
    let api = HttpServer::start(|_, request| {
        if request.path().starts_with("/bad") {
            response(404, &json!({ "message": PLANTED }).to_string())
        } else {
            response(200, &json!({ "ok": PLANTED }).to_string())
        }
    });
    let job = JobFile::get(api.url("/{{ line }}"))
        .unlimited(api.host())
        .column("ok", "$.ok")
        .tables("[failure]\ntolerated = \"90%\"")
        .to_string();
    let scene = Scene::new("", "in.txt", "");
    scene.write("serve.toml", crate::runs::ALLOW);
    (Server::in_folder(scene), api, job)
}

async fn until(browser: &Browser, path: &str, text: &str) -> String {
    let begun = std::time::Instant::now();
    loop {
        let (_, page) = browser.get(path, &[]).await;
        if page.contains(text) {
            return page;
        }
        assert!(begun.elapsed() < testing::DEADLINE, "{path}: never seen: {text}: {page}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Uploads a file by the form, as a browser without script does. Returns the status and where it leads.
async fn upload(browser: &Browser, job: &str, file: &str, content: &str) -> (u16, String) {
    const BOUNDARY: &str = "----between-the-parts";
    let name = file.replace('"', "%22");
    let body = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: text/plain\r\n\r\n{content}\r\n--{BOUNDARY}--\r\n"
    );
    let request = browser.http.post(format!("{}/jobs/{}/runs", browser.origin, encoded(job)));
    let request = request.header("cookie", &browser.cookie).header("origin", &browser.origin);
    let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    let response = request.body(body).send().await.unwrap();
    let status = response.status().as_u16();
    let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (status, to.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_jobs_and_runs_escape_what_strangers_wrote() {
    let (server, _api, job) = server();
    let browser = Browser::signed_in(&server).await;
    let own = [("origin", browser.origin.as_str())];
    let new = format!("job={}&text={}", encoded(PLANTED_NAME), encoded(&job));
    assert_eq!(browser.post("/jobs", &new, &own).await, 303);
    let (status, run) = upload(&browser, PLANTED_NAME, &format!("{PLANTED_NAME}.txt"), "good\nbad\n").await;
    assert_eq!(status, 303, "{run}");
    let page = until(&browser, &run, "some failed").await;
    assert!(page.contains("http_404") && page.contains("Redrive only these"), "{page}");
    let path = format!("/jobs/{}", encoded(PLANTED_NAME));
    let written = |line: &str| {
        let text = encoded(&job);
        format!("text={text}&file=in.txt&line={line}&sample={}", encoded(&format!("good\n{PLANTED}\n")))
    };
    let mut pages = vec![page];
    for (to, form, expected) in [
        ("check", written("1"), "is valid"),
        ("check", format!("text={}", encoded(PLANTED)), "job.toml"),
        ("preview", written("1"), "Request of line 2"),
        ("try", written("1"), "succeeded"),
        ("try", written("9"), "there is no line 9"),
        ("try", written("x"), "counts from 1"),
    ] {
        let (status, page) = browser.post_for_page(&format!("{path}/{to}"), &form, &own).await;
        assert!(status == 200 && page.contains(expected), "{to} {form}: {status} {page}");
        pages.push(page);
    }
    for start in ["/", "/runs", "/jobs", "/schedules", "/system", "/executions", "/audit", path.as_str()] {
        let (status, page) = browser.get(start, &[]).await;
        assert_eq!(status, 200, "{start}: {page}");
        for link in links(&page).into_iter().filter(|link| !link.starts_with("/assets/")) {
            let link = link.split('#').next().unwrap_or_default();
            assert_eq!(browser.get(link, &[]).await.0, 200, "{start}: {link}");
        }
        pages.push(page);
    }
    for page in pages {
        assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
        assert!(!page.contains("style=") && page.matches("<h1>").count() == 1, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_of_one_code_sends_only_its_lines() {
    let api = HttpServer::start(|_, request| match request.path() {
        path if path.starts_with("/gone") => response(404, "{}"),
        path if path.starts_with("/bad") => response(422, "{}"),
        _ => response(200, "{}"),
    });
    let scene = Scene::new("", "in.txt", "");
    scene.write("serve.toml", crate::runs::ALLOW);
    let server = Server::in_folder(scene);
    let job = JobFile::get(api.url("/{{ line }}")).unlimited(api.host());
    let job = job.tables("[failure]\ntolerated = \"90%\"").to_string();
    let browser = Browser::signed_in(&server).await;
    let own = [("origin", browser.origin.as_str())];
    assert_eq!(browser.post("/jobs", &format!("job=j&text={}", encoded(&job)), &own).await, 303);
    let (_, run) = upload(&browser, "j", "in.txt", "a\ngone1\nbad1\ngone2\n").await;
    until(&browser, &run, "some failed").await;
    let before = api.requests().len();
    assert_eq!(browser.post(&format!("{run}/redrive"), "only=http_500", &own).await, 409, "no such failure");
    assert_eq!(browser.post(&format!("{run}/redrive"), "only=http_404", &own).await, 303);
    let begun = std::time::Instant::now();
    while server.report("j", "in.txt").await["generation"] != 1 {
        assert!(begun.elapsed() < testing::DEADLINE, "the redrive never ends");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let sent: Vec<String> =
        api.requests()[before..].iter().map(|request| request.path().to_owned()).collect();
    assert!(sent.len() == 2 && sent.iter().all(|path| path.starts_with("/gone")), "{sent:?}");
    let report = server.report("j", "in.txt").await;
    assert_eq!(json!([report["ok"], report["failed"]]), json!([1, 3]), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_jobs_need_the_role_and_the_own_origin() {
    let (server, _api, job) = server();
    let path = ".throughline/.serve/keys.toml";
    let key = "\n[[key]]\nid = \"VIEW\"\nsecret = \"0123456789abcdef0123\"\nrole = \"viewer\"\n";
    server.scene.write(path, server.scene.read(path) + key);
    let server = server.ended_and_started_again();
    let admin = Browser::signed_in(&server).await;
    let new = format!("job=j&text={}", encoded(&job));
    assert_eq!(admin.post("/jobs", &new, &[("origin", "http://evil.example")]).await, 403);
    assert_eq!(admin.post("/jobs", &new, &[]).await, 403, "no origin");
    assert_eq!(admin.post("/jobs", &new, &[("origin", admin.origin.as_str())]).await, 303);
    let viewer = Browser::signed_in_with(&server, "VIEW", "0123456789abcdef0123").await;
    let own = [("origin", viewer.origin.as_str())];
    let written = format!("text={}&file=in.txt&line=1&sample=a", encoded(&job));
    for (form, body) in [
        ("/jobs", new.as_str()),
        ("/jobs/j/check", &written),
        ("/jobs/j/preview", &written),
        ("/jobs/j/try", &written),
        ("/jobs/j/secrets", "name=A&value=b"),
    ] {
        assert_eq!(viewer.post(form, body, &own).await, 403, "{form}");
    }
    assert_eq!(upload(&viewer, "j", "in.txt", "a\n").await.0, 403);
    let page = viewer.get("/jobs/j", &[]).await.1;
    for form in ["Upload and run", "Save", "Send this line now", "Set a secret"] {
        assert!(!page.contains(form), "a viewer is not offered {form:?}: {page}");
    }
    assert_eq!(
        admin.post("/jobs/j/secrets", "name=KEY&value=hidden-value", &[("origin", &admin.origin)]).await,
        303
    );
    let page = admin.get("/jobs/j", &[]).await.1;
    assert!(page.contains("KEY") && !page.contains("hidden-value"), "{page}");
}
