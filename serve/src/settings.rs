//! The settings of a server: the file `serve.toml`.

mod duration;
mod functions;
mod retention;
mod schedule;
mod watch;

use std::net::SocketAddr;
use std::path::Path;

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
    /// The address of the API and the store; it is on loopback.
    pub api: SocketAddr,
    /// The address of the console, the REST API and the metrics; it is on loopback.
    pub console: SocketAddr,
    /// Further names by which browsers reach the console, such as that of a proxy.
    pub host: Vec<String>,
    /// The Region and account in ARNs.
    pub place: Place,
    /// Private addresses that HTTP tasks may reach, in the form of a job's `request.allow`.
    pub allow: Vec<String>,
    pub(crate) functions: FunctionSettings,
    /// URLs of services, each `SERVICE=URL`.
    pub endpoints: Vec<String>,
    /// The machines that uploads start.
    pub rules: Vec<Rule>,
    /// The folders that are watched.
    pub watches: Vec<Watch>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) retention: Retention,
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
    endpoints: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    watch: Vec<Watch>,
    #[serde(default)]
    schedule: Vec<Schedule>,
    #[serde(default)]
    retention: Retention,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api: API,
            console: CONSOLE,
            host: Vec::new(),
            place: Place { region: "us-east-1".into(), account: "000000000000".into() },
            allow: Vec::new(),
            functions: FunctionSettings::default(),
            endpoints: Vec::new(),
            rules: Vec::new(),
            watches: Vec::new(),
            schedules: Vec::new(),
            retention: Retention::default(),
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
        Ok(Self {
            api: file.api.map_or(Ok(default.api), |api| parse_address(&api))?,
            console: file.console.map_or(Ok(default.console), |console| parse_address(&console))?,
            host: checked_hosts(file.host)?,
            place: Place { region, account },
            allow: file.allow,
            functions: FunctionSettings::of(file.functions).map_err(Error::new)?,
            endpoints: file.endpoints.into_iter().map(|(service, url)| format!("{service}={url}")).collect(),
            rules: file.rule,
            watches: file.watch,
            schedules: file.schedule,
            retention: file.retention,
        })
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
/// When it is not of the form `127.0.0.1:4650`, or not on loopback: the server has no TLS, so others could read
/// what is sent.
pub fn parse_address(text: &str) -> Result<SocketAddr, Error> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| Error::new(format!("the address {text:?} is not of the form 127.0.0.1:4650")))?;
    if !address.ip().is_loopback() {
        return Err(Error::new(format!(
            "the address {text} is not on loopback: the server has no TLS, so it listens only at 127.0.0.1 or [::1]; let a proxy with TLS forward to it"
        )));
    }
    Ok(address)
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
