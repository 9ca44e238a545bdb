//! What a server asks of a job before its input is split: its secrets are set, it reads nothing else of the server, and it
//! reaches only private addresses that the server allows.

use async_trait::async_trait;
use job::file::net::Net;
use job::file::{Auth, AwsCredentials, Proxy, host_listed};
use job::{ErrorName, Job, StepError};
use worker::SecretSource;

use super::JobSecrets;

pub(super) struct JobRules {
    secrets: JobSecrets,
    allow: Vec<String>,
}

impl JobRules {
    pub(super) fn new(secrets: JobSecrets, allow: &[String]) -> Self {
        Self { secrets, allow: allow.to_vec() }
    }

    /// Whether all that an entry of a job's `request.allow` names is in the server's `allow`.
    fn allows(&self, entry: &str) -> bool {
        match Net::parse(entry) {
            Some(net) => self.allow.iter().filter_map(|own| Net::parse(own)).any(|own| net.is_within(&own)),
            None => {
                let name = entry.to_ascii_lowercase();
                self.allow.contains(&name) || !name.starts_with('*') && host_listed(&self.allow, &name)
            }
        }
    }
}

#[async_trait]
impl preprocess::CheckJob for JobRules {
    async fn check(&self, name: &str, job: &Job) -> Result<(), StepError> {
        if let Some(entry) = job.request.allow.iter().find(|entry| !self.allows(entry)) {
            let message = format!(
                "request.allow names {entry:?}, which the server does not allow: its settings need allow = [{entry:?}]"
            );
            return Err(StepError::new(ErrorName::JobInvalid, message));
        }
        if let Some(message) = of_the_server(job) {
            return Err(StepError::new(ErrorName::JobInvalid, message));
        }
        for (secret, reference) in &job.secrets {
            let problem = match self.secrets.resolve(name, secret, reference).await {
                Ok(value) => job.check_secret(secret, &value).err(),
                Err(error) => Some(error.reason),
            };
            if let Some(reason) = problem {
                return Err(StepError::new(ErrorName::JobInvalid, reason));
            }
        }
        for (key, reference) in job.tls.references() {
            let problem = match self.secrets.resolve(name, key, reference).await {
                Ok(pem) => worker::check_pem(key, &pem).err(),
                Err(error) => Some(error.reason),
            };
            if let Some(reason) = problem {
                return Err(StepError::new(ErrorName::JobInvalid, reason));
            }
        }
        Ok(())
    }
}

/// Whether a server refuses a job, whatever its settings are.
pub fn is_refused_by_a_server(job: &Job) -> bool {
    of_the_server(job).is_some() || job.secret_files().next().is_some()
}

/// Why a job would read the environment or the files of the server, or reach addresses that nobody checks.
fn of_the_server(job: &Job) -> Option<&'static str> {
    if job.keep.is_some() {
        return Some(
            "[run] keep: a server keeps the runs of its jobs until `throughline clean --older` removes them",
        );
    }
    if job.request.files.is_some() {
        return Some(
            "request.files: a job of a server reads no files of the server; a run on one machine sends them",
        );
    }
    if let Some(Auth::Aws(aws)) = &job.auth
        && matches!(aws.credentials, AwsCredentials::Default { .. })
    {
        return Some(
            "[auth] aws: a job of a server cannot sign with the credentials of the server: give access_key_id and \
             secret_access_key as secrets",
        );
    }
    if matches!(job.request.proxy, Some(Proxy::Environment)) {
        return Some(
            "request.proxy: a job of a server does not read its environment: write the URL of the proxy",
        );
    }
    if job.request.proxy_resolves {
        return Some(
            "request.proxy_resolves: nobody would check which addresses a job of a server reaches: leave it out",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reaches_what_the_server_allows_and_nothing_else() {
        let allow = ["10.0.0.0/8", "127.0.0.1", "*.lan", "::1"].map(str::to_owned);
        let rules = JobRules::new(JobSecrets::of("/nowhere".as_ref()), &allow);
        for allowed in
            ["10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "127.0.0.1", "a.lan", "*.lan", "::1", "::ffff:10.0.0.1"]
        {
            assert!(rules.allows(allowed), "{allowed}");
        }
        for refused in
            ["10.0.0.0/7", "0.0.0.0/0", "127.0.0.2", "::/0", "lan.example", "*.example", "*", "::ffff:0:0/96"]
        {
            assert!(!rules.allows(refused), "{refused}");
        }
    }

    #[test]
    fn a_job_reads_nothing_of_the_server() {
        let problem = |request: &str, tables: &str| {
            let text =
                format!("[request]\nurl = \"https://a.example/{{{{ line }}}}\"\n{request}\n{tables}\n");
            of_the_server(&Job::parse(&text, "job.toml").unwrap_or_else(|error| panic!("{text}: {error}")))
        };
        assert_eq!(problem("", ""), None);
        assert_eq!(problem("proxy = \"http://proxy.example:3128\"", ""), None);
        for (request, tables, key) in [
            ("proxy = \"env\"", "", "request.proxy:"),
            ("proxy = \"http://proxy.example:3128\"\nproxy_resolves = true", "", "request.proxy_resolves:"),
            ("", "[auth]\naws = { service = \"s3\", region = \"us-east-1\" }", "[auth] aws:"),
            ("method = \"PUT\"\nbody_file = \"{{ line }}\"\nfiles = \".\"", "", "request.files:"),
        ] {
            let said = problem(request, tables).unwrap_or_default();
            assert!(said.starts_with(key), "{request} {tables}: {said}");
        }
    }
}
