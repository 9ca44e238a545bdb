//! The results in a response for the lines of its request.

use std::collections::HashMap;

use job::Code;
use job::file::{Extracted, Packing, Response};
use job::json::{Json, Tape, TooMuch};
use job::wire::Tried;

use super::body::{BodyError, ReadLimits};
use super::extract::{Seen, not_json, written};
use super::{COPIES, EXCERPT, Sender, charset, millis, shorten};
use crate::attempt::Ended;
use crate::failure::{FailedAttempt, Failure};
use crate::request::Unit;
use crate::result_line::{self, Figures};

/// Keys that came back and are quoted.
const QUOTED: usize = 5;

/// What a line has got: the values of its columns as a JSON array.
pub(super) type Answer = Result<Vec<u8>, Failure>;

impl Sender {
    /// What each line of the unit has got. Fails if results are found by position and there are not as many
    /// as lines.
    pub(super) async fn spread(
        &self,
        packing: &Packing,
        unit: &Unit,
        seen: &Seen<'_>,
        limits: &mut ReadLimits<'_>,
    ) -> Result<Vec<Answer>, FailedAttempt> {
        let unusable = |error| self.unusable(error, seen.status);
        let unreadable = |reason| unusable(BodyError::Unreadable(reason));
        let body = charset::text(seen.body, seen.headers).map_err(unreadable)?;
        let tape = Tape::parse(&body)
            .map_err(|error| unreadable(not_json(&error.to_string(), &body, seen.headers)))?;
        let root = tape.root(&body);
        let memory = seen.body.len() * 2 + tape.size() + packing.results.memory(root);
        limits.room(memory).await;
        let most = usize::try_from(self.job.request.max_response).unwrap_or(usize::MAX);
        let most = most.saturating_mul(COPIES);
        let found = packing.results.query(root, most).map_err(|TooMuch| unusable(BodyError::TooMuch))?;
        let lines = unit.identities.len();
        let mut size = 0;
        let mut answered = Vec::with_capacity(lines);
        if let Some(matching) = &packing.matching {
            let mut by_key: HashMap<String, Result<Json<'_>, ()>> = HashMap::with_capacity(found.len());
            for answer in &found {
                let keys = matching.answer.query(*answer, most);
                let Ok([key]) = keys.as_deref() else { continue };
                by_key.entry(key.text().into_owned()).and_modify(|one| *one = Err(())).or_insert(Ok(*answer));
            }
            for key in &unit.keys {
                answered.push(match by_key.get(key) {
                    Some(Ok(answer)) => self.value_of(packing, *answer, seen, &mut size),
                    Some(Err(())) => Err(misfit(format!("two results have the key {key:?}"), &body)),
                    None => Err(misfit(format!("no result has the key {key:?} ({})", known(&by_key)), &body)),
                });
            }
        } else if found.len() == lines {
            answered.extend(found.into_iter().map(|answer| self.value_of(packing, answer, seen, &mut size)));
        } else {
            let what =
                format!("the response has {} for {}", count(found.len(), "result"), count(lines, "line"));
            let failure = misfit(what, &body);
            return Err(Failure { status: seen.status.as_u16(), ..failure }.into());
        }
        limits.room(memory + size).await;
        Ok(answered.into_iter().map(|answer| answer.map_err(|failure| self.masked(failure))).collect())
    }

    /// The values of the columns from one result.
    fn value_of(&self, packing: &Packing, answer: Json<'_>, seen: &Seen<'_>, size: &mut usize) -> Answer {
        let raw = answer.raw();
        let quoted = || shorten(raw, EXCERPT);
        match packing.fail_if.as_ref().map(|condition| seen.holds_for(condition, raw)) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => return Err(Failure::new(Code::FailIf, quoted())),
            Some(Err(why)) => {
                let detail = format!("fail_if cannot be evaluated for this result: {why}: {}", quoted());
                return Err(Failure::new(Code::FailIf, detail));
            }
        }
        let columns = &self.job.output.columns;
        let unreadable = |why: String| Failure::new(Code::Extract, format!("{why}: {}", quoted()));
        let tape = columns.parse(raw, self.output).map_err(unreadable)?;
        let most = usize::try_from(self.job.request.max_response).unwrap_or(usize::MAX);
        let response = Response {
            status: seen.status.as_u16(),
            url: seen.prepared.url.as_str(),
            millis: millis(seen.sent),
            body: raw,
            json: tape.as_ref(),
            header: &|name| seen.header(name),
        };
        let left = most.saturating_mul(COPIES).saturating_sub(*size);
        let values = columns.extract(&response, self.output, left).map_err(|TooMuch| {
            Failure::new(Code::TooLarge, "the values of the columns are larger than [request] max_response")
        })?;
        let bytes: usize = values.iter().map(Extracted::size).sum();
        *size += bytes;
        Ok(written(&values, bytes, &self.mask))
    }

    fn masked(&self, failure: Failure) -> Failure {
        Failure { detail: self.mask.text(&failure.detail), ..failure }
    }
}

/// The end of a line with its answer.
pub(super) fn end(figures: Figures, earlier: &[Tried], answer: Answer) -> Ended {
    let n = figures.n;
    match answer {
        Ok(values) => Ended { n, result: result_line::success(figures, earlier, &values), error: None },
        Err(Failure { code, detail, .. }) => {
            let result = result_line::failure(figures, earlier, code, &detail, None);
            Ended { n, result, error: Some(code) }
        }
    }
}

fn misfit(what: String, body: &str) -> Failure {
    Failure::new(Code::Spread, format!("{what}: {}", shorten(body, EXCERPT)))
}

fn known<T>(by_key: &HashMap<String, T>) -> String {
    let mut keys: Vec<&str> = by_key.keys().map(String::as_str).collect();
    if keys.is_empty() {
        return "none has a key".to_owned();
    }
    keys.sort_unstable();
    let more = if keys.len() > QUOTED { ", …" } else { "" };
    keys.truncate(QUOTED);
    format!("they have {}{more}", keys.join(", "))
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
