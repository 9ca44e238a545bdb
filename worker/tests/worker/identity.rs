//! Every result of a request that was rendered carries the request's identity.

use std::collections::BTreeMap;
use std::sync::Arc;

use job::file::Identity;
use job::wire::LineResult;
use job::{Invocation, Job, LineId, Row, SegmentKey};
use testing::{HttpServer, JobFile, response, response_with};

use crate::world::{Setup, World};

fn job(server: &HttpServer) -> String {
    JobFile::post(format!("{}{{{{ line }}}}?key={{{{ secret.KEY }}}}", server.url("/")))
        .request("headers = { authorization = \"Bearer {{ secret.KEY }}\", x-line = \"{{ line }}\" }")
        .request("body = '{\"secret\": {{ secret.OTHER }}, \"line\": {{ line }}}'")
        .unlimited("default")
        .to_string()
}

/// The identity that pre-process makes of a line, which has no secrets.
fn expected(job: &str, line: &str) -> Option<Identity> {
    let row = Row::Fields { columns: ["line".to_owned()].into(), values: vec![line.to_owned()] };
    Job::parse(job, "job.toml").unwrap().identity(&Arc::new(row))
}

/// By line the code of its result, and the identity.
async fn written(world: &World) -> BTreeMap<LineId, (String, Option<Identity>)> {
    let mut written = BTreeMap::new();
    for (segment, body) in world.segments().await {
        if matches!(segment, SegmentKey::Results { .. }) {
            for result in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let LineResult { n, id, error, .. } = LineResult::parse(result).unwrap();
                written.insert(n, (error.unwrap_or("ok".into()).into_owned(), id));
            }
        }
    }
    written
}

#[tokio::test]
async fn results_carry_the_identity_that_pre_process_makes_of_the_line() {
    let server = HttpServer::start(|_, seen| match seen.path() {
        "/fails" => response(400, ""),
        "/moved" => response_with(307, &[("location", "/there")], ""),
        _ => response(200, ""),
    });
    let job = job(&server);
    let lines = ["fine", "fails", "moved", "a\nb", "sent before a crash"];
    let world = Setup::lines(&job, &lines).build().await;
    let intents = SegmentKey::Intents { invocation: Invocation::new(0, 1, 1), k: 0 };
    world.objects.put(&(world.prefix() + &intents.name()), r#"{"sending":[5]}"#).await.unwrap();
    world.work().await.unwrap();
    let codes = ["ok", "http_400", "ok", "header", "outcome_unknown"];
    let all: BTreeMap<_, _> = (1..)
        .zip(lines.into_iter().zip(codes))
        .map(|(n, (line, code))| {
            let identity = expected(&job, line).filter(|_| code != "header");
            (LineId::nth(n), (code.to_owned(), identity))
        })
        .collect();
    assert_eq!(written(&world).await, all);
    let different: std::collections::BTreeSet<_> = all.values().filter_map(|(_, id)| *id).collect();
    assert_eq!(different.len(), 4, "each line has its own");
}
