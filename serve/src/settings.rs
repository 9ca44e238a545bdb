//! The settings of a server: the file `serve.toml`.

mod duration;
mod functions;
mod retention;
mod schedule;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;
use crate::arn::Place;
pub(crate) use functions::{Command, FunctionSettings};
pub(crate) use retention::Retention;
pub(crate) use schedule::{CatchUp, Schedule};
pub use watch::{After, Watch};

/// The address of the API, unless the settings name another one.
pub const API: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4650);

/// The address of the console, unless the settings name another one.
pub const CONSOLE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4651);

/// The settings of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The address of the API and the store.
    pub api: SocketAddr,
    /// The address of the console, the REST API and the metrics.
    pub console: SocketAddr,
    /// Further names by which browsers reach the console, such as that of a proxy.
    pub host: Vec<String>,
    /// The Region and account in ARNs.
    pub place: Place,
    /// Private addresses that HTTP tasks may reach, in the form of a job's `request.allow`.
    pub allow: Vec<String>,
    /// The most runs of jobs under way at a time.
    pub runs: usize,
    /// What all runs together may send to a provider, by the names of limits.
    pub limits: BTreeMap<String, Ceiling>,
    pub(crate) functions: FunctionSettings,
    /// URLs of services, each `SERVICE=URL`.
    pub endpoints: Vec<String>,
    /// The machines that uploads start.
    pub rules: Vec<Rule>,
    /// The folders that are watched.
    pub watches: Vec<Watch>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) retention: Retention,
    pub(crate) notify: NotifySettings,
    /// The certificate of both ports.
    pub tls: Option<TlsFiles>,
}

/// A certificate and its key, in PEM. They are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The file of the certificate and of those that lead to a known one.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

/// Who is told of what happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotifySettings {
    /// The URL of a webhook.
    pub(crate) url: Option<String>,
    /// A program of this machine and its arguments.
    pub(crate) command: Option<Vec<String>>,
    /// The URL of the console as people reach it.
    pub(crate) console: Option<String>,
}

/// What all runs together may send to a provider: a rate, and a number of requests in flight, in the form of a
/// job's limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// The rate, such as `200/s`.
    pub rate: Option<String>,
    /// The requests in flight.
    pub in_flight: Option<u32>,
}

/// A rule: each upload of an object whose key begins and ends like this starts an execution of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The beginning of the keys.
    #[serde(default)]
    pub prefix: String,
    /// The end of the keys.
    #[serde(default)]
    pub suffix: String,
    /// The name or the ARN of the machine.
    pub machine: String,
}

impl Rule {
    pub(crate) fn fits(&self, key: &str) -> bool {
        key.strip_prefix(&self.prefix).is_some_and(|rest| rest.ends_with(&self.suffix))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    api: Option<String>,
    console: Option<String>,
    #[serde(default)]
    host: Vec<String>,
    region: Option<String>,
    account: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    functions: Option<toml::Value>,
    #[serde(default)]
    endpoints: BTreeMap<String, String>,
    runs: Option<usize>,
    #[serde(default)]
    limits: BTreeMap<String, Ceiling>,
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    watch: Vec<Watch>,
    #[serde(default)]
    schedule: Vec<Schedule>,
    #[serde(default)]
    retention: Retention,
    #[serde(default)]
    notify: NotifySettings,
    tls: Option<TlsFiles>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api: API,
            console: CONSOLE,
            host: Vec::new(),
            place: Place { region: "us-east-1".into(), account: "000000000000".into() },
            allow: Vec::new(),
            runs: 8,
            limits: BTreeMap::new(),
            functions: FunctionSettings::default(),
            endpoints: Vec::new(),
            rules: Vec::new(),
            watches: Vec::new(),
            schedules: Vec::new(),
            retention: Retention::default(),
            notify: NotifySettings::default(),
            tls: None,
        }
    }
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or a key is unknown or wrong. The message has the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::at(path, error))?;
        Self::parse(&text).map_err(|error| Error::at(path, error))
    }

    /// Refuses an address that others reach, unless the server has a certificate.
    ///
    /// # Errors
    /// When one is not on loopback.
    pub fn check_addresses(&self) -> Result<(), Error> {
        let open = [self.api, self.console].into_iter().find(|address| !address.ip().is_loopback());
        match open.filter(|_| self.tls.is_none()) {
            Some(address) => Err(Error::new(format!(
                "the address {address} is not on loopback, and others could read what is sent: give the server a certificate \
                 ([tls] in the settings), or listen at 127.0.0.1 or [::1] and let a proxy with TLS forward to it"
            ))),
            None => Ok(()),
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The URL at which people reach a port: by the first name of `host`, if the port is open to others.
    pub fn url(&self, address: SocketAddr) -> String {
        let host = match self.host.first() {
            Some(host) if !address.ip().is_loopback() => format!("{host}:{}", address.port()),
            _ => address.to_string(),
        };
        format!("{}://{host}", self.scheme())
    }

    /// The URL of the console.
    pub(crate) fn console_url(&self) -> String {
        self.url(self.console)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| Error::new(error.to_string()))?;
        let default = Self::default();
        let region = file.region.unwrap_or(default.place.region);
        if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Error::new(format!("region = {region:?} must be letters, digits and hyphens")));
        }
        let account = file.account.unwrap_or(default.place.account);
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::new(format!("account = {account:?} must be 12 digits")));
        }
        for (at, schedule) in file.schedule.iter().enumerate() {
            schedule.check().map_err(Error::new)?;
            if file.schedule[..at].iter().any(|other| other.name == schedule.name) {
                return Err(Error::new(format!("the schedule {:?} occurs twice", schedule.name)));
            }
        }
        let settings = Self {
            api: file.api.map_or(Ok(default.api), |api| parse_address(&api))?,
            console: file.console.map_or(Ok(default.console), |console| parse_address(&console))?,
            host: checked_hosts(file.host)?,
            place: Place { region, account },
            allow: file.allow,
            runs: checked_runs(file.runs.unwrap_or(default.runs))?,
            limits: file.limits,
            functions: FunctionSettings::of(file.functions).map_err(Error::new)?,
            endpoints: file.endpoints.into_iter().map(|(service, url)| format!("{service}={url}")).collect(),
            rules: file.rule,
            watches: file.watch,
            schedules: file.schedule,
            retention: file.retention,
            notify: file.notify,
            tls: file.tls,
        };
        settings.check_addresses()?;
        Ok(settings)
    }
}

fn checked_runs(runs: usize) -> Result<usize, Error> {
    match runs {
        1..=1000 => Ok(runs),
        _ => Err(Error::new(format!("runs = {runs} must be from 1 to 1000"))),
    }
}

/// The names are compared with the header `Host` without its port.
fn checked_hosts(hosts: Vec<String>) -> Result<Vec<String>, Error> {
    let wrong = |host: &&String| host.is_empty() || host.contains(['/', ':', '*', ' ']);
    match hosts.iter().find(wrong) {
        Some(host) => Err(Error::new(format!("host = {host:?} must be a name, without a scheme or a port"))),
        None => Ok(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect()),
    }
}

/// An address to listen at.
///
/// # Errors
/// When it is not of the form `127.0.0.1:4650`.
pub fn parse_address(text: &str) -> Result<SocketAddr, Error> {
    text.parse().map_err(|_| Error::new(format!("the address {text:?} is not of the form 127.0.0.1:4650")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_replaces_the_defaults_that_it_names() {
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
        let text = "api = \"[::1]:80\"\nregion = \"eu-west-1\"\nfunctions = \"http://127.0.0.1:9000\"\n[endpoints]\nsqs = \"http://127.0.0.1:1\"\n";
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.place.region, "eu-west-1");
        assert_eq!(settings.place.account, "000000000000");
        assert_eq!(settings.endpoints, ["sqs=http://127.0.0.1:1"]);
        assert_eq!(settings.functions.url.as_deref(), Some("http://127.0.0.1:9000"));
        let text = "[functions]\nurl = \"http://127.0.0.1:9000\"\n[functions.a]\ncommand = [\"a\", \"b\"]\n";
        let settings = Settings::parse(text).unwrap().functions;
        assert_eq!(settings.url.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(settings.commands["a"].command, ["a", "b"]);
    }

    #[test]
    fn wrong_settings_are_refused_by_name() {
        for (text, said) in [
            ("regoin = \"a\"", "regoin"),
            ("region = \"\"", "region"),
            ("account = \"1\"", "12 digits"),
            ("api = \"4650\"", "127.0.0.1:4650"),
            ("api = \"0.0.0.0:4650\"", "loopback"),
            ("console = \"0.0.0.0:1\"", "loopback"),
            ("host = [\"http://a\"]", "without a scheme"),
            ("allow = 1", "line 1"),
            ("[tls]\ncertificate = \"cert.pem\"", "key"),
            ("[notify]\nwebhook = \"x\"", "webhook"),
            ("runs = 0", "from 1 to 1000"),
            ("[limits.\"a.example\"]\nrat = \"1/s\"", "rat"),
            ("functions = 1", "[functions.NAME]"),
            ("[functions.a]\ncomand = []", "[functions.a]: unknown field `comand`"),
            ("[functions.a]\ncommand = []", "needs command"),
            ("[retention]\ndays = -1", "days"),
            ("[retention]\nbytes = \"50 apples\"", "50GiB"),
            ("[[rule]]\nmachine = \"m\"\nsufix = \"x\"", "sufix"),
            ("[[watch]]\nfolder = \"in\"\njob = \"a\"\nsettle = \"soon\"", "5s, 15m"),
            ("[[watch]]\nfolder = \"in\"\njob = \"a\"\npattern = \"[\"", "pattern"),
            ("[[watch]]\nfolder = \"in\"\njob = \"a\"\nafter = \"burn\"", "after"),
            ("[[schedule]]\nname = \"a\"\njob = \"j\"\ncron = \"0 6 * * ? *\"", "a job and a file"),
            ("[[schedule]]\nname = \"a\"\nmachine = \"m\"\ncron = \"0 6 * *\"", "six"),
            ("[[schedule]]\nname = \"a/b\"\nmachine = \"m\"\ncron = \"rate(1 day)\"", "a/b"),
            (
                "[[schedule]]\nname = \"a\"\nmachine = \"m\"\ncron = \"rate(1 day)\"\ntimezone = \"Moon\"",
                "Moon",
            ),
        ] {
            let error = Settings::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
