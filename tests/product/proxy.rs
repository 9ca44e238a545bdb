//! Connections through a proxy.

use testing::{HttpServer, JobFile, Output, Proxy, Scene, closed_port, column, response};

use crate::tls;

const PASSWORD: &str = "pl4nted:s3cr3t@value";

/// An API over TLS under the name `localhost`, and the authority of its certificate. It responds with the
/// head of the request.
fn tls_api() -> (HttpServer, String) {
    let issuer = tls::authority("of the test");
    let (certificate, key) = tls::for_localhost(&issuer);
    let server = tls::serve(tls::acceptor(certificate, &key, &[b"http/1.1"]), |mut stream| async move {
        let name = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
        let head = tls::read_head(&mut stream).await.to_lowercase();
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        tls::respond(stream, &format!("{name} {host}")).await;
    });
    (server, issuer.pem())
}

fn job(port: u16, request: &str) -> JobFile {
    JobFile::get(format!("https://localhost:{port}/{{{{ id }}}}"))
        .request(request)
        .column("seen", "body")
        .unlimited(format!("localhost:{port}"))
        .tables("[tls]\nca = \"file:ca.pem\"\n[retry]\nattempts = 1")
}

fn scene(job: &JobFile, ca: &str) -> Scene {
    let scene = Scene::new(job, "in.csv", "id\n1\n2\n");
    scene.write("ca.pem", ca);
    scene
}

/// Without the proxies of the machine that runs the test.
fn run_with(scene: &Scene, command: &str, variables: &[(&str, &str)]) -> Output {
    let args: &[&str] = match command {
        "run" => &["run", "job.toml", "in.csv", "-o", "out.csv"],
        _ => &["check", "job.toml", "in.csv"],
    };
    scene.run_with(args, |command| {
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.envs(variables.iter().copied());
    })
}

#[test]
fn a_tunnel_leads_to_the_address_that_was_checked_and_keeps_the_name() {
    let ((api, ca), proxy) = (tls_api(), Proxy::start(None));
    let scene = scene(&job(api.port(), &format!("proxy = \"http://{}\"", proxy.address())), &ca);
    run_with(&scene, "run", &[]).expect(0);
    let seen = format!("localhost localhost:{}", api.port());
    assert_eq!(column(&scene.read("out.csv"), "seen"), [&*seen, &*seen]);
    assert_eq!(proxy.targets()[0], api.host(), "an address, not a name");
}

#[test]
fn a_proxy_that_looks_names_up_gets_the_name() {
    let ((api, ca), proxy) = (tls_api(), Proxy::start(None));
    let request = format!("proxy = \"http://{}\"\nproxy_resolves = true", proxy.address());
    let scene = scene(&job(api.port(), &request), &ca);
    run_with(&scene, "run", &[]).expect(0);
    assert_eq!(proxy.targets()[0], format!("localhost:{}", api.port()));
}

#[test]
fn the_password_of_a_proxy_is_a_secret() {
    // me:pl4nted:s3cr3t@value
    let ((api, ca), proxy) = (tls_api(), Proxy::start(Some("Basic bWU6cGw0bnRlZDpzM2NyM3RAdmFsdWU=")));
    let request = format!("proxy = \"http://me:{{{{ secret.PROXY }}}}@{}\"", proxy.address());
    let known = scene(&job(api.port(), &request), &ca);
    let output = run_with(&known, "run", &[("PROXY", PASSWORD)]).expect(0);
    assert!(!output.stderr.contains(PASSWORD) && !output.stdout.contains(PASSWORD));
    let unknown = scene(&job(api.port(), &request), &ca);
    run_with(&unknown, "run", &[("PROXY", "another password")]).expect(2);
    let detail = &column(&unknown.read("out.csv"), "error_detail")[0];
    assert!(detail.contains("wants a user and a password (407)"), "{detail}");
    assert!(!detail.contains("another"), "{detail}");
}

#[test]
fn the_environment_decides_where_the_job_says_so() {
    let ((api, ca), proxy) = (tls_api(), Proxy::start(None));
    let url = format!("http://{}", proxy.address());
    let scene = scene(&job(api.port(), "proxy = \"env\""), &ca);
    run_with(&scene, "run", &[("HTTPS_PROXY", &url)]).expect(0);
    assert_eq!(proxy.targets().len(), 2);
    for (variables, what) in
        [(vec![("HTTPS_PROXY", &*url), ("NO_PROXY", "localhost")], "NO_PROXY"), (vec![], "none")]
    {
        let scene = self::scene(&job(api.port(), "proxy = \"env\""), &ca);
        run_with(&scene, "run", &variables).expect(0);
        assert_eq!(proxy.targets().len(), 2, "{what}");
    }
}

#[test]
fn a_proxy_of_the_environment_that_is_not_used_is_said() {
    let ((api, ca), proxy) = (tls_api(), Proxy::start(None));
    let url = format!("http://me:hunter22@{}", proxy.address());
    let scene = scene(&job(api.port(), ""), &ca);
    let said = format!("the environment names the proxy http://{}, which is not used", proxy.address());
    let checked = run_with(&scene, "check", &[("https_proxy", &url)]).expect(0);
    assert!(checked.stdout.contains(&said), "{}", checked.stdout);
    let ran = run_with(&scene, "run", &[("https_proxy", &url)]).expect(0);
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter22"));
    assert!(proxy.targets().is_empty());
    let other = run_with(&scene, "check", &[("HTTP_PROXY", &url)]).expect(0);
    assert!(
        !other.stdout.contains("the environment names"),
        "https does not use HTTP_PROXY: {}",
        other.stdout
    );
}

#[test]
fn the_guard_checks_the_server_and_the_proxy_itself() {
    let proxy = Proxy::start(None);
    let job = |request: &str, allow: &str| {
        let job =
            JobFile::get("https://localhost:9/{{ id }}").request(request).tables("[retry]\nattempts = 1");
        job.to_string().replace("allow = [\"127.0.0.1\"]", allow)
    };
    let through = format!("proxy = \"http://{}\"", proxy.address());
    for (allow, denied) in [("allow = []", "is a private"), ("allow = [\"10.0.0.1\"]", "is a private")] {
        let scene = Scene::new(job(&through, allow), "in.csv", "id\n1\n");
        run_with(&scene, "run", &[]).expect(2);
        let output = scene.read("out.csv");
        assert_eq!(column(&output, "error"), ["address_denied"], "{allow}");
        assert!(column(&output, "error_detail")[0].contains(denied));
    }
    assert!(proxy.targets().is_empty());
}

#[test]
fn plain_http_goes_through_a_proxy_only_without_secrets() {
    let (api, proxy) = (HttpServer::start(|_, _| response(200, "{}")), Proxy::start(None));
    let plain = |more: &str| {
        JobFile::get(api.url("/{{ id }}"))
            .request(format!("proxy = \"http://{}\"\n{more}", proxy.address()))
            .unlimited(api.host())
    };
    let scene = Scene::new(plain(""), "in.csv", "id\n1\n");
    run_with(&scene, "run", &[]).expect(0);
    assert_eq!(proxy.targets(), [api.host()]);
    let secret = plain("headers = { x-key = \"{{ secret.KEY }}\" }");
    let scene = Scene::new(&secret, "in.csv", "id\n1\n");
    let stderr = run_with(&scene, "run", &[("KEY", "hunter22")]).expect(1).stderr;
    assert!(
        stderr.contains("job.toml:2:1: the request carries a secret, and over http the proxy can read it"),
        "{stderr}"
    );
    let by_environment = secret.to_string().replace(&format!("http://{}", proxy.address()), "env");
    let scene = Scene::new(by_environment, "in.csv", "id\n1\n");
    let url = format!("http://{}", proxy.address());
    run_with(&scene, "run", &[("KEY", "hunter22"), ("HTTP_PROXY", &url)]).expect(2);
    assert_eq!(column(&scene.read("out.csv"), "error"), ["secret_denied"]);
    assert_eq!((proxy.targets().len(), api.count()), (1, 1));
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named() {
    let closed = closed_port();
    let scene = scene(&job(9, &format!("proxy = \"http://{closed}\"")), "-");
    let stderr = run_with(&scene, "run", &[]).expect(1).stderr;
    assert!(stderr.contains("[tls] ca cannot be used"), "{stderr}");
    let (_, ca) = tls_api();
    scene.write("ca.pem", ca);
    run_with(&scene, "run", &[]).expect(2);
    let detail = &column(&scene.read("out.csv"), "error_detail")[0];
    assert!(detail.contains(&format!("the proxy {closed}")), "{detail}");
}

#[test]
fn what_cannot_be_a_proxy_is_refused_with_its_place() {
    for (request, what) in [
        (
            "proxy = \"socks5://proxy\"",
            "job.toml:4:9: \"socks5://proxy\" is not a proxy that throughline can use",
        ),
        ("proxy = \"http://me:hunter2@proxy\"", "the password of a proxy is a secret"),
        ("proxy = \"http://{{ id }}\"", "it cannot name a column"),
        ("proxy_resolves = true", "there is none: add proxy"),
    ] {
        let scene = Scene::new(JobFile::get("https://a.example/").request(request), "in.csv", "id\n1\n");
        let stderr = run_with(&scene, "check", &[]).expect(1).stderr;
        assert!(stderr.contains(what), "{request}: {stderr}");
    }
}
