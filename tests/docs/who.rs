//! The table "Who may use what" of SECURITY.md: each of its rows is tried.

use job::Job;
use throughline::local::is_refused_by_a_server;

/// A job for each row of the table.
const JOBS: [(&str, &str); 9] = [
    ("`file:` in `[secrets]`", "headers = { a = \"{{ secret.K }}\" }\n[secrets]\nK = \"file:k\""),
    ("`file:` in `[tls]`", "[tls]\ncertificate = \"file:c.pem\"\nkey = \"env:KEY\""),
    ("`request.files`", "method = \"PUT\"\nfiles = \"photos\"\nbody_file = \"{{ id }}\""),
    ("`request.proxy` with a URL", "proxy = \"http://proxy.example:3128\""),
    ("`request.proxy = \"env\"`", "proxy = \"env\""),
    ("`request.proxy_resolves`", "proxy = \"http://proxy.example:3128\"\nproxy_resolves = true"),
    ("`[auth] aws` without an access key", "[auth.aws]\nservice = \"s3\"\nregion = \"r\""),
    ("`limits.max_requests`, and rates of an hour or more besides others", "[limits]\nmax_requests = 5"),
    ("`run.keep`", "[run]\nkeep = \"30d\""),
];

#[test]
fn every_row_of_who_may_use_what_is_true() {
    let security = super::read("SECURITY.md");
    let section = security.split_once("## Who may use what\n").unwrap().1.split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let names: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(names, JOBS.map(|(name, _)| name), "SECURITY.md (left) and this test (right)");
    let word = |refused: bool| if refused { "refused" } else { "allowed" };
    for (row, (name, text)) in rows.iter().zip(JOBS) {
        let text = format!("[request]\nurl = \"https://api.example.com/{{{{ id }}}}\"\n{text}\n");
        let job = Job::parse(&text, "job.toml").unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = ["allowed", word(is_refused_by_a_server(&job)), word(job.check_aws("a").is_err())];
        assert_eq!(row[1..], found, "{name}: on this machine, on a server, on AWS");
    }
    assert!(!is_refused_by_a_server(
        &Job::parse("[request]\nurl = \"https://a.example\"", "job.toml").unwrap()
    ));
}
