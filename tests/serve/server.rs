//! A server in a folder, and a client that signs its requests.

use std::net::SocketAddr;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::Request;
use serde_json::{Value, json};
use testing::{Running, Scene};

/// A server, which is killed when the test ends.
pub(crate) struct Server {
    pub(crate) scene: Scene,
    pub(crate) running: Running,
    pub(crate) client: Client,
    /// The link to the console that it has printed.
    pub(crate) link: String,
}

/// A client of a server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) id: String,
    pub(crate) secret: String,
    http: reqwest::Client,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// A server with these settings.
    pub(crate) fn start_with(settings: &str) -> Self {
        let scene = Scene::new("", "in.txt", "");
        scene.write("serve.toml", settings);
        Self::in_folder(scene)
    }

    /// A server in the folder of a scene, with its file serve.toml.
    pub(crate) fn in_folder(scene: Scene) -> Self {
        Self::in_folder_with(scene, &[], &[])
    }

    /// A server with more arguments and variables of its environment.
    pub(crate) fn in_folder_with(scene: Scene, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let ports = ["--api", "127.0.0.1:0", "--console", "127.0.0.1:0"];
        let args = [&["serve", "--config", "serve.toml"], ports.as_slice(), args].concat();
        let mut running = scene.start_with(&args, |command| _ = command.envs(variables.iter().copied()));
        let line = running.next_line();
        let Some(address) = line.split("://").nth(1).and_then(|rest| rest.split(',').next()) else {
            panic!("the server does not listen: {line:?}: {}", running.wait().stderr);
        };
        let address = address.parse().unwrap();
        let line = running.next_line();
        let link = line.split_once(": ").unwrap().1.to_owned();
        let client = Client::of(&scene, address);
        Self { scene, running, client, link }
    }

    /// Kills the server (SIGKILL), and returns its folder.
    pub(crate) fn killed(self) -> Scene {
        self.running.kill();
        self.scene
    }

    /// Kills the server (SIGKILL) and starts another one in its folder.
    pub(crate) fn killed_and_started_again(self) -> Self {
        Self::in_folder(self.killed())
    }

    /// Ends the server with SIGTERM and starts another one in its folder.
    pub(crate) fn ended_and_started_again(self) -> Self {
        self.running.signal("TERM");
        self.running.wait().expect(0);
        Self::in_folder(self.scene)
    }

    /// Does an operation that must succeed.
    pub(crate) async fn ok(&self, operation: &str, input: Value) -> Value {
        self.client.ok(operation, input).await
    }

    /// Does an operation that must fail, and returns the error's name and message.
    pub(crate) async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        let (status, error) = self.client.call(operation, &input).await;
        assert!(status >= 400, "{operation}: {error}");
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("__type"), text("message"))
    }

    /// Creates a machine, and returns its ARN.
    pub(crate) async fn machine(&self, name: &str, definition: Value) -> String {
        let input =
            json!({"name": name, "definition": definition.to_string(), "roleArn": "arn:aws:iam::0:role/r"});
        self.ok("CreateStateMachine", input).await["stateMachineArn"].as_str().unwrap().to_owned()
    }

    /// Waits until an execution has another status than RUNNING.
    pub(crate) async fn ended(&self, arn: &str) -> Value {
        self.client
            .until("the execution has ended", "DescribeExecution", json!({"executionArn": arn}), |shown| {
                shown["status"] != "RUNNING"
            })
            .await
    }

    /// Gets a page of the console's port.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.console(reqwest::Method::GET, path).await
    }

    /// Posts nothing to the console's port.
    pub(crate) async fn post(&self, path: &str) -> String {
        self.console(reqwest::Method::POST, path).await
    }

    async fn console(&self, method: reqwest::Method, path: &str) -> String {
        let origin = self.link.split("/sign-in").next().unwrap();
        let key = format!("Bearer {}:{}", self.client.id, self.client.secret);
        let request =
            self.client.http.request(method, format!("{origin}{path}")).header("authorization", key);
        request.send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn events(&self, arn: &str) -> Vec<Value> {
        let history = self.ok("GetExecutionHistory", json!({"executionArn": arn})).await;
        history["events"].as_array().unwrap().clone()
    }
}

impl Client {
    /// The client with the first key of the server in a folder.
    pub(crate) fn of(scene: &Scene, address: SocketAddr) -> Self {
        let printed = scene.run(&["serve", "env"]).expect(0).stdout;
        let value = |name: &str| {
            let line = printed.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.unwrap().to_owned()
        };
        Self::new(address, &value("AWS_ACCESS_KEY_ID"), &value("AWS_SECRET_ACCESS_KEY"))
    }

    /// The client with a key.
    pub(crate) fn new(address: SocketAddr, id: &str, secret: &str) -> Self {
        Self { address, id: id.to_owned(), secret: secret.to_owned(), http: reqwest::Client::new() }
    }

    /// The SDK's client of the store.
    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_s3::config::Region::from_static("us-east-1"))
            .endpoint_url(format!("http://{}", self.address))
            .force_path_style(true)
            .credentials_provider(Credentials::new(&self.id, &self.secret, None, None, "tests"));
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// The same client with another key.
    pub(crate) fn with_key(&self, id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), ..self.clone() }
    }

    pub(crate) async fn ok(&self, operation: &str, input: Value) -> Value {
        let (status, output) = self.call(operation, &input).await;
        assert_eq!(status, 200, "{operation} {input}: {output}");
        output
    }

    /// The status and the body of the response.
    pub(crate) async fn call(&self, operation: &str, input: &Value) -> (u16, Value) {
        let body = input.to_string();
        let response = self.send(self.signed(operation, &body), body).await;
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    /// As [`Client::call`]; None if there is no response.
    pub(crate) async fn try_call(&self, operation: &str, input: &Value) -> Option<(u16, Value)> {
        let body = input.to_string();
        let mut sent = self.http.post(format!("http://{}/", self.address)).body(body.clone());
        for (name, value) in self.signed(operation, &body).headers() {
            sent = sent.header(name, value);
        }
        let response = sent.send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, serde_json::from_str(&response.text().await.ok()?).ok()?))
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<()>, body: String) -> reqwest::Response {
        self.try_send(request, body).await.unwrap()
    }

    /// The same; `None` if the connection ends before there is a response.
    pub(crate) async fn try_send(&self, request: Request<()>, body: String) -> Option<reqwest::Response> {
        let mut sent = self.http.post(format!("http://{}/", self.address)).body(body);
        for (name, value) in request.headers() {
            sent = sent.header(name, value);
        }
        sent.send().await.ok()
    }

    /// The head of a request, signed by AWS's own library.
    pub(crate) fn signed(&self, operation: &str, body: &str) -> Request<()> {
        let url = format!("http://{}/", self.address);
        let mut request = Request::post(&url)
            .header("host", self.address.to_string())
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("AWSStepFunctions.{operation}"))
            .body(())
            .unwrap();
        let identity = Credentials::new(&self.id, &self.secret, None, None, "tests").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("states")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let signable =
            SignableRequest::new("POST", &url, headers, SignableBody::Bytes(body.as_bytes())).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request
    }

    /// Repeats a successful operation until its output is as it should be.
    pub(crate) async fn until(
        &self,
        what: &str,
        operation: &str,
        input: Value,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let output = self.ok(operation, input.clone()).await;
            if holds(&output) {
                return output;
            }
            assert!(begun.elapsed() < testing::DEADLINE, "never seen: {what}: {output}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
