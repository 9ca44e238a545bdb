//! What a job on AWS cannot do.

use std::time::Duration;

use super::secrets::SecretRef;
use super::{Auth, AwsCredentials, Job, JobError, Provider};

/// The longest timeout on AWS: within the 15 minutes of a call, a worker waits for a request to end and then
/// writes its results.
const LONGEST_ON_AWS: Duration = Duration::from_secs(7 * 60);
/// The most named limits on AWS. While the input is split, each lane holds up to a part of an upload in memory,
/// which has at least 5 MiB, and the function has 1,769 MB.
const MOST_LIMITS_ON_AWS: usize = 150;

impl Job {
    /// Checks that the functions on AWS can do the job, which is called `name` there.
    ///
    /// # Errors
    /// The first part that they cannot do.
    pub fn check_aws(&self, name: &str) -> Result<(), JobError> {
        if self.keep.is_some() {
            let message = "keep is for runs on one machine: on AWS a lifecycle rule of the bucket removes what is below runs/, or `throughline clean --older`";
            return Err(self.error_at(&["run", "keep"], message));
        }
        for (key, reference) in self.tls.references() {
            if let SecretRef::File(_) = reference {
                let message = format!(
                    "{reference} cannot be read on AWS: write {key} = \"ssm:/throughline/{name}/{key}\""
                );
                return Err(self.error_at(&["tls", key], message));
            }
        }
        if self.request.files.is_some() {
            let message = "a function on AWS has no folder of files: a run on one machine sends them";
            return Err(self.error_at(&["request", "files"], message));
        }
        if self.request.proxy.is_some() {
            let message =
                "a function on AWS uses no proxy: its network is that of the VPC that the stack is given";
            return Err(self.error_at(&["request", "proxy"], message));
        }
        if let Some(Auth::Aws(aws)) = &self.auth
            && matches!(aws.credentials, AwsCredentials::Default { .. })
        {
            let message = "a job on AWS cannot sign with the credentials of the functions: give access_key_id and secret_access_key as secrets";
            return Err(self.error_at(&["auth", "aws"], message));
        }
        for (secret, reference) in &self.secrets {
            if let SecretRef::File(_) = reference {
                let message = format!(
                    "{reference} cannot be read on AWS: use the SSM parameter /throughline/{name}/{secret}"
                );
                return Err(self.error_at_secret(secret, message));
            }
        }
        if self.request.timeout > LONGEST_ON_AWS {
            let message =
                "a function on AWS has 15 minutes, and must have time for what it writes: at most 7m";
            return Err(self.error_at(&["request", "timeout"], message));
        }
        for Provider { name, rules, .. } in &self.limits.providers {
            if !rules.quotas.is_empty() {
                let message = "a window of an hour or more is counted by one process, and a run on AWS has many: give the rate of a shorter window alone";
                return Err(self.error_at(&["limits", name, "rate"], message));
            }
        }
        let budgets = [("max_requests", self.limits.max_requests), ("max_cost", self.limits.max_cost)];
        if let Some((key, _)) = budgets.into_iter().find(|(_, most)| most.is_some()) {
            let message = format!(
                "{key} is counted by one process, and a run on AWS has many: upload a part of the file"
            );
            return Err(self.error_at(&["limits", key], message));
        }
        let named = self.limits.providers.len();
        if named > MOST_LIMITS_ON_AWS {
            let message = format!(
                "the job names {named} limits, and a function on AWS has memory for the lines of {MOST_LIMITS_ON_AWS}: let [limits.default] apply to the small ones, or divide the job"
            );
            return Err(self.error_at(&["limits"], message));
        }
        Ok(())
    }
}
