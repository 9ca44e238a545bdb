//! What a job cannot do on AWS is refused by its name.
#![allow(clippy::unwrap_used, missing_docs)]

use job::Job;

fn on_aws(tables: &str) -> Result<(), String> {
    let job = format!("[request]\nurl = \"https://api.example.com/{{{{ id }}}}\"\n{tables}\n");
    let job = Job::parse(&job, "job.toml").unwrap_or_else(|error| panic!("{tables}: {error}"));
    job.check_aws("places").map_err(|error| error.to_string())
}

#[test]
fn what_works_on_one_machine_only_is_refused_on_aws() {
    for (tables, what) in [
        (
            "[auth]\nbearer = \"{{ secret.K }}\"\n[secrets]\nK = \"file:k\"",
            "use the SSM parameter /throughline/places/K",
        ),
        (
            "[tls]\ncertificate = \"file:c.pem\"\nkey = \"env:KEY\"",
            "job.toml:4:1: file:c.pem cannot be read on AWS: write certificate = \"ssm:/throughline/places/certificate\"",
        ),
        ("[tls]\nca = \"file:ca.pem\"", "file:ca.pem cannot be read on AWS"),
        (
            "[limits.\"api.example.com\"]\nrate = [\"1/s\", \"9/d\"]",
            "a window of an hour or more is counted by one process",
        ),
        ("[limits]\nmax_requests = 5", "max_requests is counted by one process"),
        (
            "[limits]\nmax_cost = 5\n[limits.default]\nrate = \"1/s\"\ncost = \"2\"",
            "max_cost is counted by one process",
        ),
        (
            "files = \"photos\"\nbody_file = \"{{ id }}\"",
            "job.toml:3:1: a function on AWS has no folder of files",
        ),
        ("proxy = \"env\"", "job.toml:3:1: a function on AWS uses no proxy"),
        ("[auth.aws]\nservice = \"s3\"\nregion = \"r\"", "cannot sign with the credentials of the functions"),
        (
            "[auth.aws]\nservice = \"s3\"\nregion = \"r\"\nprofile = \"p\"",
            "cannot sign with the credentials of the functions",
        ),
    ] {
        let error = on_aws(tables).expect_err(tables);
        assert!(error.contains(what), "{tables}: {error}");
    }
}

#[test]
fn credentials_in_secrets_work_on_aws() {
    for tables in [
        "[auth]\nbasic = { user = \"a\", password = \"{{ secret.K }}\" }",
        "[auth.oauth2]\ntoken_url = \"https://a.example/\"\nclient_id = \"a\"\nclient_secret = \"{{ secret.K }}\"",
        "[auth.aws]\nservice = \"s3\"\nregion = \"r\"\naccess_key_id = \"{{ secret.I }}\"\nsecret_access_key = \"{{ secret.K }}\"",
        "[tls]\ncertificate = \"ssm:c\"\nkey = \"secretsmanager:k\"\nca = \"env:CA\"",
    ] {
        on_aws(tables).unwrap_or_else(|error| panic!("{tables}: {error}"));
    }
}
