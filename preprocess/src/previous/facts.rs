//! What the decision depends on, read from the run before.

use std::collections::HashMap;

use job::file::template::Template;
use job::file::{Follow, Request};
use job::run::{Again, Claim, run_id};
use job::store::StorageErrorKind;
use job::{Environment, ErrorName, Job, Objects, Plan, SegmentKey, StepError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::decision::{Before, Facts};
use super::{Beginning, Previous, read};

impl Beginning<'_> {
    pub(super) async fn facts(&self, previous: &Previous) -> Result<Facts, StepError> {
        let Self { context, event, job, .. } = *self;
        let event = match event.again {
            None if context.environment == Environment::Aws => self.uploaded_with().await?,
            said => said,
        };
        let before = Some(self.before(previous).await?);
        Ok(Facts { event, job: job.again, interactive: context.interactive, before })
    }

    async fn before(&self, previous: &Previous) -> Result<Before, StepError> {
        let Self { context, objects, event, job, .. } = *self;
        let Previous { keys, plan, start, .. } = previous;
        let text = objects.get(&keys.job_file()).await?;
        let before = job::run::parse_job(&text, &keys.job_file()).map_err(|error| {
            let message = format!(
                "the job file of the run before can no longer be read: {error}. With --fresh every line is sent again"
            );
            StepError::new(ErrorName::RunDoubtful, message)
        })?;
        let claim: Option<Claim> = read(objects, &keys.claim(0)).await?;
        let (ok, has_results) = results(objects, &keys.results()).await?;
        let finished = match start {
            Some(_) => objects.find(&keys.finished()).await?.is_some(),
            // The items were removed when every line had succeeded.
            None => match plan.lanes.first() {
                Some(lane) => objects.list(&keys.items(&lane.name)).await?.is_empty(),
                None => true,
            },
        };
        let content_changed = match start {
            Some(start) => start.content != self.content(),
            None => self.id_with(&text) != previous.id,
        };
        // A schedule sends an unchanged file again and again.
        let scheduled = !context.interactive && event.nonce.is_some();
        let fingerprints = start.iter().flat_map(|start| &start.secrets);
        let changed = |name: &str, was: &str| event.secrets.get(name).is_some_and(|is| is != was);
        let content_changed = content_changed || scheduled;
        Ok(Before {
            started: moment(claim.map_or(0, |claim| claim.started)),
            finished,
            has_traces: has_results || !finished && before.needs_origins(),
            ok,
            gave_way: previous.gave_way,
            content_changed,
            regrouped: !finished && regrouped(&before, job, content_changed),
            requests_changed: differ(&before.request, &job.request) || follows(&before) != follows(job),
            secrets_changed: fingerprints
                .filter(|(name, was)| changed(name, was))
                .map(|(name, _)| name.clone())
                .collect(),
            leaves_out: event.selection().is_some_and(|selection| {
                !selection.includes(plan.input.selected().as_ref(), plan.input.lines)
            }),
            lost_column: lost_column(&before, plan, job),
        })
    }

    /// The id that the run before would have with the content of this run's event.
    fn id_with(&self, job_file: &[u8]) -> String {
        let object = &self.event.detail.object;
        let version = object.version_id.as_deref().or(object.etag.as_deref()).unwrap_or_default();
        run_id(job_file, &self.run.bucket, &object.key, version, None)
    }

    /// What `submit --continue` or `submit --fresh` wrote to the object.
    async fn uploaded_with(&self) -> Result<Option<Again>, StepError> {
        let object = &self.event.detail.object;
        let facts = match self.objects.head(&object.key).await {
            Ok(facts) => facts,
            // The split says so in its own words.
            Err(error) if error.kind == StorageErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_the_events = object.etag.as_deref().is_none_or(|etag| etag == facts.etag.trim_matches('"'));
        Ok(if is_the_events { said(&facts.metadata) } else { None })
    }
}

/// What the metadata of an uploaded object says.
fn said(metadata: &HashMap<String, String>) -> Option<Again> {
    match metadata.get("again")?.as_str() {
        "continue" => Some(Again::Continue),
        "fresh" => Some(Again::Fresh),
        _ => None,
    }
}

/// How many lines succeeded, by the names of the segments, and whether there is any object.
async fn results(objects: &Objects, prefix: &str) -> Result<(u64, bool), StepError> {
    let (mut ok, mut any, mut token) = (0, false, None);
    loop {
        let (page, next) = objects.list_page(prefix, token).await?;
        for entry in page {
            any = true;
            if let Some(SegmentKey::Results { ok: more, .. }) = SegmentKey::parse(&entry.key) {
                ok += more;
            }
        }
        token = next;
        if token.is_none() {
            return Ok((ok, any));
        }
    }
}

/// Whether the requests of two jobs can differ for the same line.
fn differ(one: &Request, other: &Request) -> bool {
    let text = |template: &Template| (template.source().to_owned(), template.vars().to_vec());
    let parts = |request: &Request| {
        let headers = request.headers.iter().map(|(name, value)| (name.clone(), text(value)));
        let mut headers: Vec<_> = headers.collect();
        headers.sort();
        (request.method.clone(), text(&request.url), headers, request.body.as_ref().map(text))
    };
    parts(one) != parts(other)
}

/// What follows the first request of a line.
fn follows(job: &Job) -> &str {
    job.follow.as_ref().map_or("", Follow::text)
}

/// Whether lines that one request had may be in different ones now, where requests carry keys.
fn regrouped(before: &Job, job: &Job, content_changed: bool) -> bool {
    let (Some(was), Some(is)) = (&before.packing, &job.packing) else { return false };
    let changed = content_changed || (was.lines, was.bytes) != (is.lines, is.bytes);
    changed && before.sends_idempotency_keys() && job.sends_idempotency_keys()
}

/// The first column of a job whose values cannot be made from what the run before kept.
fn lost_column(before: &Job, plan: &Plan, job: &Job) -> Option<String> {
    let format = job.output_format(plan.input.format).unwrap_or(plan.output);
    let results = |job: &Job| job.packing.as_ref().map(|packing| packing.results.clone());
    if results(before) != results(job) {
        // The same JSONPath finds something else.
        return job.output.columns.names().next().map(str::to_owned);
    }
    let lost = job.output.columns.from_kept(&before.output.columns, plan.output, format).err()?;
    lost.into_iter().next()
}

fn moment(millis: u64) -> String {
    let seconds = i64::try_from(millis / 1000).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).expect("a time in UTC can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uploaded_object_says_what_its_run_does() {
        let metadata = |value: &str| HashMap::from([("again".to_owned(), value.to_owned())]);
        assert_eq!(said(&metadata("continue")), Some(Again::Continue));
        assert_eq!(said(&metadata("fresh")), Some(Again::Fresh));
        assert_eq!((said(&metadata("other")), said(&HashMap::new())), (None, None));
    }

    #[test]
    fn only_what_is_sent_makes_another_request() {
        let request = |text: &str| {
            let text = format!("[request]\nurl = \"https://a.example.com/{{{{ line }}}}\"\n{text}");
            Job::parse(&text, "job.toml").expect("it is a job").request
        };
        let plain = request("");
        for same in ["timeout = \"5s\"", "# a comment", "[retry]\nattempts = 9"] {
            assert!(!differ(&plain, &request(same)), "{same}");
        }
        for other in
            ["method = \"POST\"", "headers = { a = \"b\" }", "method = \"POST\"\nbody = \"{{ line }}\""]
        {
            assert!(differ(&plain, &request(other)), "{other}");
        }
        let bill = |vars: &str| {
            let text =
                format!("[request]\nurl = \"https://a.example.com/{{{{ vars.month }}}}\"\n[vars]\n{vars}");
            Job::parse(&text, "job.toml").expect("it is a job").request
        };
        let october = bill("month = \"10\"");
        assert!(differ(&october, &bill("month = \"11\"")));
        assert!(!differ(&october, &bill("month = \"10\"\nyear = \"2026\"")), "no template names the year");
        let (one, other) =
            (request("headers = { a = \"1\", b = \"2\" }"), request("headers = { b = \"2\", a = \"1\" }"));
        assert!(!differ(&one, &other), "the order of headers does not count");
    }
}
