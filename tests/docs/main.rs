//! Examples, tables and the schema of the job file's documentation agree with the code.
#![allow(clippy::unwrap_used, missing_docs)]

mod architecture;
mod who;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use job::file::secrets::Secrets;
use job::file::template::{Place, Template};
use job::{Code, Job, Row};
use jsonschema::Validator;
use serde_json::Value;

const MINIMAL: &str = "[request]\nurl = \"http://a.example/\"\n";
const UNKNOWN: &str = "no_such_key";
/// A placeholder for the user's names, in the docs and here.
const NAME: &str = "NAME";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn schema() -> Value {
    serde_json::from_str(&read("docs/job.schema.json")).unwrap()
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

fn json(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// The TOML blocks of a page as whole job files, each with its place.
fn blocks(page: &str) -> Vec<(String, String)> {
    let text = read(page);
    let mut blocks = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.trim().strip_prefix("```")) {
            (None, Some("toml")) => open = Some((number + 1, false, String::new())),
            (None, Some("toml fragment")) => open = Some((number + 1, true, String::new())),
            (None, Some(info)) => open = Some((0, false, info.to_owned())),
            (Some(_), Some(_)) => match open.take() {
                Some((0, _, info)) => assert!(!info.starts_with("toml"), "{page}: {info}"),
                Some((at, fragment, block)) => {
                    let block = if fragment { format!("{MINIMAL}\n{block}") } else { block };
                    blocks.push((format!("{page}:{at}"), block));
                }
                None => unreachable!(),
            },
            (Some((at, _, block)), None) if *at > 0 => block.extend([line, "\n"]),
            (_, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block does not end");
    blocks
}

/// Every job file that a reader may copy.
fn examples() -> Vec<(String, String)> {
    let mut examples: Vec<_> = ["docs/job-file.md", "README.md"].into_iter().flat_map(blocks).collect();
    for entry in fs::read_dir(path("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            examples.push((path.display().to_string(), fs::read_to_string(path).unwrap()));
        }
    }
    examples.push(("init.toml".to_owned(), read("src/commands/init.toml")));
    examples
}

/// The rows of the table whose head begins with these cells; a cell is without the marks of code.
fn table(head: &str) -> Vec<Vec<String>> {
    let text = read("docs/job-file.md");
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let row = |line: &str| {
        line.replace("\\|", "\0")
            .trim_matches('|')
            .split('|')
            .map(|text| cell(&text.replace('\0', "|")))
            .collect()
    };
    let rows: Vec<Vec<String>> = rows.map(row).collect();
    assert!(!rows.is_empty(), "no table {head}");
    rows
}

/// The keys that the parser accepts in a table, taken from its error about an unknown key.
fn accepted(table: &str) -> Vec<String> {
    let text = match table {
        "" => format!("{UNKNOWN} = 1\n{MINIMAL}"),
        "request" => format!("{MINIMAL}{UNKNOWN} = 1\n"),
        "then" => format!("{MINIMAL}[[then]]\n{UNKNOWN} = 1\n"),
        _ => format!("{MINIMAL}[{table}]\n{UNKNOWN} = 1\n"),
    };
    let message = Job::parse(&text, "job.toml").unwrap_err().message;
    let (unknown, known) =
        message.split_once("\n  keys of ").unwrap_or_else(|| panic!("[{table}] {message}"));
    assert!(unknown.contains(UNKNOWN), "[{table}] {message}");
    let (_, known) = known.split_once(": ").unwrap_or_else(|| panic!("[{table}] {message}"));
    let keys: Vec<_> = known.split(", ").map(str::to_owned).collect();
    assert!(!keys.is_empty(), "[{table}] {message}");
    keys
}

/// Every key that a job file may have.
fn keys_of_the_parser() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for top in accepted("") {
        match top.as_str() {
            "limits" => {
                // The keys that are not providers: any other takes a table.
                assert!(Job::parse(&format!("{MINIMAL}[limits]\nby = \"x\"\n"), "job.toml").is_ok());
                assert!(Job::parse(&format!("{MINIMAL}[limits]\n{UNKNOWN} = \"x\"\n"), "job.toml").is_err());
                assert!(Job::parse(&format!("{MINIMAL}[limits]\nmax_requests = 1\n"), "job.toml").is_ok());
                keys.insert("limits.by".to_owned());
                keys.insert("limits.max_requests".to_owned());
                keys.insert("limits.max_cost".to_owned());
                for provider in [NAME, "default"] {
                    keys.extend(
                        accepted(&format!("limits.{provider}"))
                            .iter()
                            .map(|key| format!("limits.{provider}.{key}")),
                    );
                }
            }
            "auth" => keys.extend(accepted("auth").iter().flat_map(|scheme| {
                match scheme.as_str() {
                    "bearer" => vec!["auth.bearer".to_owned()],
                    table => accepted(&format!("auth.{table}"))
                        .iter()
                        .map(|key| format!("auth.{table}.{key}"))
                        .collect(),
                }
            })),
            "secrets" | "vars" => assert!(keys.insert(format!("{top}.{NAME}"))),
            table => keys.extend(accepted(table).iter().map(|key| match (table, key.as_str()) {
                ("request", "headers" | "multipart") | ("output", "columns") | ("then", "headers") => {
                    format!("{table}.{key}.{NAME}")
                }
                _ => format!("{table}.{key}"),
            })),
        }
    }
    keys
}

/// The schema's keys with their schemas.
fn keys_of_the_schema() -> BTreeMap<String, Value> {
    fn walk(schema: &Value, at: &str, keys: &mut BTreeMap<String, Value>) {
        if schema["items"]["type"] == "object" {
            return walk(&schema["items"], at, keys);
        }
        if schema["type"] != "object" {
            keys.insert(at.to_owned(), schema.clone());
            return;
        }
        let free = &schema["additionalProperties"];
        assert!(*free == false || free.is_object(), "{at}: every table says what else it takes");
        let properties = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, schema)| (key.as_str(), schema));
        for (key, schema) in properties.chain(free.is_object().then_some((NAME, free))) {
            let at = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
            walk(schema, &at, keys);
        }
    }
    let mut keys = BTreeMap::new();
    walk(&schema(), "", &mut keys);
    keys
}

fn set<'a>(keys: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    keys.into_iter().cloned().collect()
}

#[test]
fn every_example_is_a_job_and_the_schema_agrees() {
    let validator = validator();
    let examples = examples();
    assert!(examples.len() > 10, "{}", examples.len());
    for (place, text) in examples {
        if let Err(error) = Job::parse(&text, &place) {
            panic!("{place}: {error}");
        }
        if let Err(error) = validator.validate(&json(&text)) {
            panic!("{place}: {error} at {}", error.instance_path());
        }
    }
}

#[test]
fn every_key_is_documented() {
    let parser = keys_of_the_parser();
    let docs = table("| Key | Type |");
    assert_eq!(set(docs.iter().map(|row| &row[0])), parser, "docs/job-file.md (left) and the parser (right)");
    assert_eq!(docs.len(), parser.len(), "a key stands there twice");
    assert_eq!(
        set(keys_of_the_schema().keys()),
        parser,
        "docs/job.schema.json (left) and the parser (right)"
    );
}

#[test]
fn an_unknown_key_is_refused_by_the_schema_too() {
    let validator = validator();
    let tables =
        ["batch", "pages", "input", "output", "response", "limits.x", "limits.default", "retry", "failure"];
    let texts = tables.map(|table| format!("{MINIMAL}[{table}]\n{UNKNOWN} = \"1/s\"\n")).into_iter();
    for text in texts.chain([
        format!("{UNKNOWN} = 1\n{MINIMAL}"),
        format!("{MINIMAL}{UNKNOWN} = 1\n"),
        "[input]\n".to_owned(),
    ]) {
        assert!(Job::parse(&text, "job.toml").is_err(), "{text}");
        assert!(!validator.is_valid(&json(&text)), "{text}");
    }
}

#[test]
fn schema_and_parser_agree_on_values() {
    let validator = validator();
    let good = [
        ("input", "format", &["'text'", "'csv'", "'tsv'", "'jsonl'", "'json'"][..]),
        ("input", "encoding", &["'windows-1252'", "'UTF-8'", "'latin1'", "'shift_jis'", "' utf-16le '"]),
        ("input", "quote", &["'\"'", "\"'\"", "'none'", "'|'"]),
        ("input", "escape", &["'\\'", "'\"'"]),
        ("input", "skip", &["0", "10000"]),
        ("input", "blank", &["'skip'", "'keep'"]),
        ("input", "where", &["'state != 1'", "'line_number() > 10'"]),
        ("output", "drop", &["[]", "['a', 'b c']"]),
        ("run", "keep", &["'30d'"]),
        ("input", "compression", &["'none'", "'gzip'", "'zstd'", "'bzip2'"]),
        ("input", "delimiter", &["';'", "\"\\t\"", "'|'", "\"\\u0001\"", "' '"]),
        ("request", "method", &["'GET'", "'POST'", "'PUT'", "'PATCH'", "'DELETE'", "'HEAD'", "'M-SEARCH'"]),
        ("request", "redirects", &["0", "20"]),
        ("request", "http", &["'1.1'"]),
        ("request", "connect_timeout", &["'5s'", "'30s'"]),
        ("request", "read_timeout", &["'500ms'"]),
        ("request", "multipart", &["{ a = '{{ x }}', b = '' }"]),
        ("request", "body", &["'{{ x }}'\ncompress = 'gzip'", "'x'\ncompress = 'zstd'"]),
        ("request", "body_file", &["'{{ x }}'\nfiles = 'photos'"]),
        ("request", "files", &["'photos'\nmultipart = { a = { file = '{{ x }}', type = 'image/png' } }"]),
        ("request", "proxy", &["'env'", "'http://proxy:3128'", "'http://me:{{ secret.P }}@proxy'"]),
        ("response", "success", &["['2xx', 404, '503']", "['5xx']", "[200]"]),
        ("response", "fail_if", &["'body.errors'", "'{{ status == 202 }}'"]),
        ("response", "retry_if", &["\"headers['x-busy'] and not body\""]),
        (
            "request",
            "timeout",
            &["'250ms'", "'10s'", "'1.5m'", "'2min'", "'2h'", "'1d'", "'0.5s'", "' 1 s '"],
        ),
        (
            "request",
            "max_response",
            &["'1'", "'512'", "'10B'", "'1KiB'", "'1.5MiB'", "'1GiB'", "'1 KB'", "'1MB'", "'1GB'"],
        ),
        ("request", "allow", &["['127.0.0.1', '10.0.0.0/8', '[::1]', '*.internal']", "[]"]),
        ("request", "headers", &["{ X-A_1 = 'x', \"!\" = '' }", "{ hostess = 'x' }"]),
        ("output", "format", &["'csv'", "'tsv'", "'jsonl'"]),
        ("output", "bom", &["true", "false"]),
        ("output", "failed_columns", &["true", "false"]),
        ("retry", "statuses", &["[]", "[404, '504']", "['5xx', 408]"]),
        ("output", "guard_formulas", &["true", "false"]),
        (
            "output",
            "columns",
            &[
                "{ a = '$', b = '$.x[*]', c = 'body', d = 'status', e = 'url', f = 'latency_ms', g = 'header.X' }",
            ],
        ),
        ("limits", "by", &["'{{ x }}'"]),
        (
            "limits.default",
            "rate",
            &["'200/s'", "'10/min'", "'2/h'", "'0.1/day'", "'1/second'", "'1/m'", "'3 / sec'", "'unlimited'"],
        ),
        ("limits.default", "rate", &["['1/s', '50/min']", "'100/15min'", "'1/ 2 h'"]),
        ("limits", "max_requests", &["1"]),
        ("limits.default", "cost", &["'{{ n }}'"]),
        ("limits.default", "learn", &["true", "false"]),
        ("limits.'*.x'", "rate", &["['1/s', '9/d']", "'1/hour'", "'1/d'", "'1/minute'"]),
        ("limits.'a:1'", "rate", &["'1/s'"]),
        ("limits.default", "in_flight", &["1", "10000"]),
        ("retry", "attempts", &["1", "100"]),
        ("retry", "max_wait", &["'10m'"]),
        ("failure", "tolerated", &["'0%'", "'5%'", "'0.01%'", "'100%'", "'100.0 %'"]),
        ("auth", "bearer", &["'{{ secret.K }}'"]),
        ("auth", "basic", &["{ user = 'a', password = '' }"]),
        ("auth", "header", &["{ name = 'X-Key', value = '{{ secret.K }}' }"]),
        ("auth", "query", &["{ name = 'key', value = 'x' }"]),
        (
            "auth",
            "oauth2",
            &[
                "{ token_url = 'https://a/t', client_id = 'a', client_in = 'body', timeout = '5s', scope = 'b c' }",
            ],
        ),
        ("auth", "aws", &["{ service = 's3', region = 'eu-west-1', profile = 'a', role = 'b' }"]),
        ("pages", "next", &["'$.next'", "'link'\nitems = '$[*]'\nmost = 10000"]),
        ("pages", "number", &["'page'\nitems = '$.items[*]'"]),
        ("tls", "ca", &["'file:a.pem'"]),
        ("vars", "month", &["'2026-11'", "''"]),
        ("secrets", "K", &["'env:A'", "'file:/a'", "'ssm:a'", "'secretsmanager:a'"]),
    ];
    let bad = [
        ("input", "format", &["'xml'", "'CSV'", "1"][..]),
        ("input", "compression", &["'xz'"]),
        ("input", "encoding", &["''", "1", "'no encoding'", "'utf-8; x'"]),
        ("input", "quote", &["''", "'None'", "'\"\"'", "\"\\n\"", "'é'"]),
        ("input", "escape", &["''", "'none'", "\"\\r\""]),
        ("input", "skip", &["-1", "10001", "'1'"]),
        ("input", "blank", &["true", "'drop'"]),
        ("input", "header", &["'yes'"]),
        ("input", "delimiter", &["';;'", "''", "'\"'", "\"\\n\"", "\"\\r\"", "'é'"]),
        ("request", "method", &["'get'", "'CONNECT'", "''", "'A B'"]),
        ("request", "redirects", &["-1", "21", "'5'"]),
        ("request", "http", &["'2'", "1.1"]),
        ("request", "connect_timeout", &["'0s'", "5"]),
        ("request", "read_timeout", &["'0s'"]),
        ("request", "multipart", &["{}", "{ a = 1 }", "{ a = { name = 'x' } }", "'x'"]),
        ("request", "body", &["'x'\ncompress = 'br'"]),
        ("request", "files", &["''\nbody_file = 'x'"]),
        ("request", "proxy", &["'proxy:3128'", "'https://proxy'", "true", "'ENV'"]),
        ("response", "success", &["[]", "['6xx']", "[199]", "[600]", "200", "[true]", "['2XX']"]),
        ("response", "fail_if", &["true", "['body']"]),
        ("retry", "statuses", &["['all']", "500"]),
        ("request", "timeout", &["'0s'", "'10'", "'-1s'", "'s'", "10", "'1w'", "'NaNs'"]),
        ("request", "max_response", &["'0'", "'-1'", "'10TB'", "10"]),
        ("request", "allow", &["['http://a']", "['']", "['a b']", "'a'"]),
        ("request", "secret_hosts", &["['https://a/b']", "['ftp://a']"]),
        (
            "request",
            "headers",
            &[
                "{ host = 'a' }",
                "{ Content-Length = 'a' }",
                "{ 'a b' = 'x' }",
                "{ a = \"x\\ny\" }",
                "{ '' = 'x' }",
            ],
        ),
        ("request", "idempotent", &["1"]),
        ("output", "format", &["'xml'", "'text'"]),
        ("output", "bom", &["'yes'", "1"]),
        ("output", "guard_formulas", &["'yes'"]),
        ("output", "columns", &["{ error = 'body' }", "{ a = 'x' }", "{ a = 'header.' }", "{ a = 1 }"]),
        ("limits", "by", &["1"]),
        ("limits.default", "rate", &["'0/s'", "'200'", "'-1/s'", "'1/week'", "'fast'", "'NaN/s'", "5"]),
        ("limits.default", "rate", &["[]", "['1/s', 'unlimited']", "'1/0s'", "'1/-1s'", "'1/1.5h'", "[1]"]),
        ("limits", "max_requests", &["0", "'5'"]),
        ("limits", "max_cost", &["0", "'5'"]),
        ("limits.default", "learn", &["1"]),
        ("limits.'http://a'", "rate", &["'1/s'"]),
        ("limits.'a*'", "rate", &["'1/s'"]),
        ("limits.a", "in_flight", &["1"]),
        ("limits.default", "in_flight", &["0", "10001", "'1'", "1.5"]),
        ("retry", "attempts", &["0", "101"]),
        ("retry", "max_wait", &["'0m'"]),
        ("failure", "tolerated", &["'101%'", "'5'", "'-1%'", "'%'", "0.05"]),
        ("auth", "bearer", &["1"]),
        ("auth", "basic", &["{ user = 'a' }", "'a:b'"]),
        ("auth", "header", &["{ name = 'a b', value = 'x' }", "{ name = 'host', value = 'x' }"]),
        ("auth", "query", &["{ name = '', value = 'x' }", "{ value = 'x' }"]),
        (
            "auth",
            "oauth2",
            &[
                "{ token_url = 'ftp://a/t', client_id = 'a' }",
                "{ token_url = 'https://a/t' }",
                "{ token_url = 'https://a/t', client_id = 'a', client_in = 'url' }",
                "{ token_url = 'https://a/t', client_id = 'a', timeout = '0s' }",
            ],
        ),
        ("auth", "aws", &["{ service = 's3' }", "{ service = 's3', region = 'a', profile = 1 }"]),
        ("batch", "lines", &["0", "1001", "'1'"]),
        ("pages", "next", &["'next'", "1"]),
        ("pages", "most", &["0", "10001"]),
        ("tls", "ca", &["'a.pem'"]),
        ("tls", "key", &["'file:a.pem'"]),
        ("vars", "month", &["1", "2026-11-01", "['a']"]),
        ("secrets", "K", &["'hunter2'", "'env:'", "'vault:x'"]),
    ];
    let cases = |cases: &[(&'static str, &'static str, &'static [&'static str])], expected: bool| {
        for (table, key, values) in cases {
            for value in *values {
                let text = match *table {
                    "request" => format!("{MINIMAL}{key} = {value}\n"),
                    _ => format!("{MINIMAL}[{table}]\n{key} = {value}\n"),
                };
                assert_eq!(Job::parse(&text, "job.toml").is_ok(), expected, "the parser:\n{text}");
                assert_eq!(validator.is_valid(&json(&text)), expected, "the schema:\n{text}");
            }
        }
    };
    cases(&good, true);
    cases(&bad, false);
    for (url, expected) in [
        ("https://a/", true),
        ("HTTP://a", true),
        ("{{ url }}", true),
        ("{% if x %}", false),
        ("/a", false),
        ("ftp://a/", false),
    ] {
        let text = format!("[request]\nurl = '{url}'\n");
        assert_eq!(Job::parse(&text, "job.toml").is_ok(), expected, "{text}");
        // A schema cannot know whether a tag is closed.
        assert_eq!(validator.is_valid(&json(&text)), expected || url.starts_with('{'), "{text}");
    }
}

#[test]
fn defaults_are_as_documented() {
    let docs: BTreeMap<String, String> =
        table("| Key | Type |").into_iter().map(|row| (row[0].clone(), row[2].clone())).collect();
    let mut tables: BTreeMap<String, String> = BTreeMap::new();
    for (key, schema) in keys_of_the_schema() {
        let Some(default) = schema.get("default") else { continue };
        let told = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        assert_eq!(docs[&key].replace(", ", ","), told, "{key}");
        // These tables have keys that must be given; their defaults apply to the ones that are left out.
        if ["auth.", "batch.", "then.", "pages."].iter().any(|table| key.starts_with(table)) {
            continue;
        }
        let (table, key) = key.rsplit_once('.').unwrap();
        tables.entry(table.to_owned()).or_default().push_str(&format!("{key} = {default}\n"));
    }
    assert!(tables.len() >= 5, "{tables:?}");
    let mut text = format!("{MINIMAL}{}", tables.remove("request").unwrap());
    tables.iter().for_each(|(table, keys)| text.push_str(&format!("[{table}]\n{keys}")));
    let (bare, told) = (
        Job::parse(MINIMAL, "job.toml").unwrap(),
        Job::parse(&text, "job.toml").unwrap_or_else(|error| panic!("{error}")),
    );
    let facts = |job: &Job| {
        let job::file::Request { method, timeout, allow, secret_hosts, idempotent, max_response, .. } =
            &job.request;
        let request = format!(
            "{method:?} {timeout:?} {allow:?} {secret_hosts:?} {idempotent} {max_response} {}",
            job.request.redirects
        );
        let columns: Vec<_> = job.output.columns.names().collect();
        let Job { input, limits, retry, failure, response, output, .. } = job;
        let rules = format!("{:?} {}", response.success, output.failed_columns);
        format!("{input:?} {request} {rules} {columns:?} {limits:?} {retry:?} {failure:?}")
    };
    assert_eq!(facts(&bare), facts(&told));
}

#[test]
fn values_are_encoded_as_documented() {
    for row in table("| Where | Template |") {
        let [place, template, value, result] = row.try_into().unwrap();
        let place = match place.as_str() {
            "URL" => Place::Url,
            "header" => Place::Header,
            "JSON body" => Place::Json,
            "other body" => Place::Text,
            other => panic!("{other}"),
        };
        let line = Row::Fields { columns: Arc::from(["q".to_owned()]), values: vec![value] };
        let rendered =
            Template::new(&template, place).unwrap().render(&Arc::new(line), &Arc::new(Secrets::default()));
        assert_eq!(rendered, Ok(result), "{template}");
    }
}

#[test]
fn filters_have_the_documented_results() {
    for row in table("| Filter |") {
        let [template, value, result] = row.try_into().unwrap();
        let line = Row::Fields { columns: Arc::from(["q".to_owned()]), values: vec![value] };
        let template = Template::new(&template, Place::Header).unwrap();
        let rendered = template.render(&Arc::new(line), &Arc::new(Secrets::default()));
        assert_eq!(rendered, Ok(result), "{}", template.source());
    }
}

#[test]
fn every_code_is_documented() {
    let codes = [
        Code::Decode,
        Code::Parse,
        Code::Render,
        Code::Url,
        Code::AddressDenied,
        Code::Header,
        Code::SecretDenied,
        Code::File,
        Code::Connect,
        Code::BadResponse,
        Code::Tls,
        Code::Timeout,
        Code::BodyCut,
        Code::TooLarge,
        Code::Http(0),
        Code::FailIf,
        Code::RetryIf,
        Code::RedirectWithSecret,
        Code::RedirectLoop,
        Code::Extract,
        Code::Spread,
        Code::Pending,
        Code::RateLimited,
        Code::OutcomeUnknown,
        Code::Stopped,
        Code::NotProcessed,
    ];
    // A code that is new does not compile here: add it above, too.
    let name = |code: Code| match code {
        Code::Http(_) => "http_<status>".to_owned(),
        Code::Decode
        | Code::Parse
        | Code::Render
        | Code::Url
        | Code::AddressDenied
        | Code::Header
        | Code::SecretDenied
        | Code::File => code.to_string(),
        Code::Connect
        | Code::BadResponse
        | Code::Tls
        | Code::Timeout
        | Code::BodyCut
        | Code::TooLarge
        | Code::RedirectWithSecret => code.to_string(),
        Code::FailIf
        | Code::RetryIf
        | Code::RedirectLoop
        | Code::Extract
        | Code::Spread
        | Code::Pending
        | Code::RateLimited
        | Code::OutcomeUnknown
        | Code::Stopped
        | Code::NotProcessed => code.to_string(),
    };
    let documented: Vec<String> = table("| Code |").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, codes.map(name));
}

#[test]
fn links_have_targets() {
    let text = read("docs/job-file.md");
    let anchor = |title: &str| -> String {
        title
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    let anchors: BTreeSet<String> = text
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| anchor(line.trim_start_matches('#').trim_start()))
        .collect();
    let targets: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(targets.len() > 5);
    for target in targets {
        match target.strip_prefix('#') {
            Some(anchor) => assert!(anchors.contains(anchor), "{target}"),
            None if target.starts_with("https://") => {}
            None => assert!(path("docs").join(target).exists(), "{target}"),
        }
    }
}

#[test]
fn every_failure_has_its_test() {
    let text = read("docs/failures.md");
    let rows: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What")).collect();
    assert!(rows.len() > 25);
    for row in rows {
        let tests = row.trim_end_matches([' ', '|']).rsplit_once(" | ").unwrap().1;
        for test in tests.split(", ") {
            let (package, name) =
                test.split_once(" `").unwrap_or_else(|| panic!("{row}: {test:?} names no test"));
            let (module, function) =
                name.trim_end_matches('`').split_once("::").unwrap_or_else(|| panic!("{row}: {test:?}"));
            let file = match package {
                "worker" => format!("worker/tests/worker/{module}.rs"),
                _ => format!("tests/{package}/{module}.rs"),
            };
            assert!(
                read(&file).contains(&format!("fn {function}()")),
                "{row}: there is no {function} in {file}"
            );
        }
        // The codes are those that lines can get.
        let gets = row.split(" | ").nth(1).unwrap();
        for code in gets
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| !code.starts_with("http_") && *code != "Content-Length")
        {
            let documented = table("| Code |").into_iter().any(|row| row[0] == code);
            assert!(documented, "{row}: {code} is not a code");
        }
    }
}
