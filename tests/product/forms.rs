//! Forms of several parts, and bodies from files.

use testing::{HttpServer, JobFile, ReceivedRequest, Scene, column, response, response_with};

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

fn api() -> HttpServer {
    HttpServer::start(|_, _| response(200, "{}"))
}

fn scene(job: &JobFile, input: &str) -> Scene {
    let scene = Scene::new(job, "in.csv", input);
    std::fs::create_dir_all(scene.path("photos/2026")).unwrap();
    scene.write("photos/a.txt", "the file a");
    scene.write("photos/2026/ü \"b\".txt", "the file b");
    scene.write("secret.txt", "outside");
    scene
}

fn form(api: &HttpServer) -> JobFile {
    JobFile::post(api.url("/{{ id }}"))
        .request(
            "files = \"photos\"\nmultipart = { title = \"{{ title }}\", file = { file = \"{{ name }}\", type = \"text/plain\" }, \"a\\\"b\" = \"1\" }",
        )
        .unlimited(api.host())
}

/// The parts of a form, each with its head and its content.
fn parts(request: &ReceivedRequest) -> Vec<(String, String)> {
    let boundary =
        request.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = request.body.strip_suffix(&format!("--{boundary}--\r\n")).unwrap();
    body.split(&format!("--{boundary}\r\n"))
        .skip(1)
        .map(|part| {
            let (head, content) = part.strip_suffix("\r\n").unwrap().split_once("\r\n\r\n").unwrap();
            (head.to_owned(), content.to_owned())
        })
        .collect()
}

#[test]
fn a_form_has_its_parts_in_the_order_of_the_job() {
    let api = api();
    let scene = scene(&form(&api), "id,title,name\n1,\"say \"\"hi\"\"\",2026/ü \"b\".txt\n");
    scene.run(&RUN).expect(0);
    let disposition = "Content-Disposition: form-data; name=";
    assert_eq!(
        parts(&api.requests()[0]),
        [
            (format!("{disposition}\"title\""), "say \"hi\"".to_owned()),
            (
                format!("{disposition}\"file\"; filename=\"ü %22b%22.txt\"\r\nContent-Type: text/plain"),
                "the file b".to_owned()
            ),
            (format!("{disposition}\"a%22b\""), "1".to_owned()),
        ]
    );
}

#[test]
fn a_body_is_a_file() {
    let api = api();
    let job = JobFile::with_method("PUT", api.url("/{{ id }}"))
        .request("files = \"photos\"\nbody_file = \"{{ name }}\"")
        .unlimited(api.host());
    let scene = scene(&job, "id,name\n1,a.txt\n");
    scene.run(&RUN).expect(0);
    let request = &api.requests()[0];
    assert_eq!(request.body, "the file a");
    assert_eq!(request.header("content-type"), Some("application/octet-stream"));
    let typed = job.request("headers = { content-type = \"text/plain\" }");
    let typed = self::scene(&typed, "id,name\n1,a.txt\n");
    typed.run(&RUN).expect(0);
    assert_eq!(api.requests()[1].header("content-type"), Some("text/plain"));
}

#[test]
fn a_line_reaches_nothing_out_of_the_folder() {
    let api = api();
    let scene = scene(&form(&api), "id,title,name\n1,t,a.txt\n");
    std::os::unix::fs::symlink(scene.path("secret.txt"), scene.path("photos/link.txt")).unwrap();
    std::os::unix::fs::symlink(scene.path(""), scene.path("photos/up")).unwrap();
    let names = [
        "../secret.txt",
        "2026/../../secret.txt",
        "/etc/passwd",
        "link.txt",
        "up/secret.txt",
        "2026",
        "none.txt",
        ".",
    ];
    let absolute = scene.path("secret.txt").display().to_string();
    let rows: String = names.iter().chain([&absolute.as_str()]).map(|name| format!("1,t,{name}\n")).collect();
    scene.write("in.csv", format!("id,title,name\n{rows}"));
    scene.run(&RUN).expect(2);
    let output = scene.read("out.csv");
    let errors = column(&output, "error");
    assert!(errors.iter().all(|error| error == "file"), "{errors:?}");
    let details = column(&output, "error_detail");
    assert!(details[3].contains("is a link"), "{details:?}");
    assert!(details[6].contains("\"none.txt\" cannot be sent: No such file"), "{details:?}");
    assert_eq!(api.count(), 0);
}

#[test]
fn a_form_is_sent_again_whole_and_lost_in_a_redirect_to_get() {
    let api = HttpServer::start(|n, request| match (n, request.path()) {
        (0, _) => response_with(429, &[("retry-after-ms", "1")], ""),
        (_, "/1") => response_with(303, &[("location", "/done")], ""),
        _ => response(200, "{}"),
    });
    let scene = scene(&form(&api), "id,title,name\n1,t,a.txt\n");
    scene.run(&RUN).expect(0);
    let requests = api.requests();
    assert_eq!(parts(&requests[1])[1].1, "the file a");
    let last = &requests[2];
    assert_eq!((last.method.as_str(), last.body.as_str(), last.header("content-type")), ("GET", "", None));
}

#[test]
fn an_edit_of_the_form_sends_again_what_it_changes() {
    let api = api();
    let scene = scene(&form(&api), "id,title,name\n1,t,a.txt\n2,t,a.txt\n");
    scene.run(&RUN).expect(0);
    scene.run(&RUN).expect(0);
    assert_eq!(api.count(), 2, "nothing has changed");
    scene.write("in.csv", "id,title,name\n1,t,a.txt\n2,other,a.txt\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv", "--continue"]).expect(0);
    assert_eq!(api.count(), 3);
}

#[test]
fn check_shows_the_parts() {
    let api = api();
    let scene = scene(&form(&api), "id,title,name\n1,t,a.txt\n2,u,a.txt\n");
    let shown = scene.run(&["check", "job.toml", "in.csv"]).expect(0).stdout;
    assert!(shown.contains("title: t") && shown.contains("file: the file a.txt"), "{shown}");
}

#[test]
fn what_cannot_be_a_form_is_refused_with_its_place() {
    for (request, what) in [
        ("body_file = \"a\"", "job.toml:4:13: name the one folder that files may come from"),
        ("multipart = { a = { file = \"b\" } }", "job.toml:4:13: name the one folder"),
        ("files = \"photos\"", "job.toml:4:9: files is the folder of body_file"),
        ("body = \"x\"\nmultipart = { a = \"b\" }", "job.toml:5:13: a request has one body"),
        (
            "multipart = { a = \"b\" }\nheaders = { content-type = \"x\" }",
            "multipart sets the header content-type itself",
        ),
        (
            "files = \"p\"\nmultipart = { a = { file = \"b\", type = \"jpeg\" } }",
            "\"jpeg\" is not a media type",
        ),
        ("multipart = { a = \"{{ size }}\" }", "names the column \"size\""),
    ] {
        let scene = Scene::new(JobFile::get("https://a.example/").request(request), "in.csv", "id\n1\n");
        let stderr = scene.run(&["check", "job.toml", "in.csv"]).expect(1).stderr;
        assert!(stderr.contains(what), "{request}: {stderr}");
    }
}
