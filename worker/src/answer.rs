//! One attempt: a request goes out, and what comes back is read, judged and reduced to a record.

mod body;
mod fault;
mod length;
mod redirect;
pub(crate) mod retry_after;

use std::sync::Arc;

use http::StatusCode;
use http::header::LOCATION;
use job::Code;
use job::job_file::Answer;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::retry_after::Asked;
use crate::budget::Budget;
use crate::outcome::{Figures, Nature, Outcome, Reply, success};
use crate::pace::Wall;
use crate::request::{Failure, Prepared};
use crate::run::Run;

/// Bytes of a refusal that are read: for its excerpt, and so that the connection can be used again.
const REFUSAL: u64 = 64 << 10;
/// Characters of a refusal that are kept.
const EXCERPT: usize = 200;

/// Sends requests of one run.
pub(crate) struct Sender {
    pub(crate) run: Arc<Run>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) wall: Wall,
}

/// Why an attempt failed.
struct Trouble {
    failure: Failure,
    nature: Nature,
    /// A request went out.
    on_wire: bool,
    retry_after: Option<Asked>,
}

enum Good {
    Success(Vec<u8>),
    Hop(Box<Prepared>),
}

impl Sender {
    /// Sends one request for line `n`, its `tries`-th.
    pub(crate) async fn attempt(&self, prepared: Box<Prepared>, n: u64, tries: u32) -> Outcome {
        let sent = Instant::now();
        let (reply, on_wire) = match self.exchange(&prepared, sent, n, tries).await {
            Ok(Good::Success(record)) => (Reply::Success(record), true),
            Ok(Good::Hop(next)) => (Reply::Hop(next), true),
            Err(Trouble { mut failure, nature, on_wire, retry_after }) => {
                failure.detail = excerpt(&self.run.mask.text(&failure.detail));
                (Reply::Failure { failure, nature, retry_after, prepared: Some(prepared) }, on_wire)
            }
        };
        Outcome { sent, on_wire, millis: millis(sent), reply }
    }

    async fn exchange(&self, prepared: &Prepared, sent: Instant, n: u64, tries: u32) -> Result<Good, Trouble> {
        let run = &*self.run;
        let mut deadline = sent + run.job.request.timeout;
        run.guard.check(&prepared.url).map_err(|denied| Trouble::unsent(Code::AddressDenied, denied.to_string()))?;
        let client = run.connections.client(&prepared.url);
        let request = request(client, prepared).map_err(fault::of_request)?;
        let answer = timeout_at(deadline, client.execute(request)).await;
        let response = answer.map_err(|_| self.timeout("no answer"))?.map_err(|error| self.lost(error, prepared))?;
        run.connections.learn(&prepared.url, &response);
        let status = response.status();
        // Where a response is framed by two rules, what follows is not the rest of its body.
        let whole = length::of_identity(&response);
        if redirect::is_redirect(status) && response.headers().contains_key(LOCATION) {
            let location = response.headers()[LOCATION].clone();
            // Read so that the connection can be used again; what it says does not matter.
            drop(timeout_at(deadline, body::prefix(response, whole.unwrap_or(REFUSAL).min(REFUSAL))).await);
            let carries_secret = !run.secrets.is_empty();
            return redirect::follow(prepared, status, &location, carries_secret)
                .map(|next| Good::Hop(Box::new(next)))
                .map_err(Trouble::of);
        }
        if !status.is_success() {
            return Err(self.refusal(response, whole, deadline).await);
        }
        let headers = response.headers().clone();
        let waiting = Instant::now();
        let room = self.budget.reserve(response.content_length().map(|length| length.min(run.job.request.max_response))).await;
        // Waiting for room is not the server's time.
        deadline += waiting.elapsed();
        let read = body::read(response, whole, run.job.request.max_response, room, &mut deadline).await;
        let (body, room) = read.map_err(|cut| self.cut(cut, status))?;
        let header = |name: &str| {
            let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        let answer = Answer { status: status.as_u16(), url: prepared.url.as_str(), millis: millis(sent), body: &body, header: &header };
        let values = self.extract(&answer).map_err(|reason| Trouble {
            failure: Failure { status: status.as_u16(), ..Failure::new(Code::Extract, reason) },
            ..Trouble::last(Code::Extract, "")
        })?;
        drop((body, room));
        let figures = Figures { n, at: self.wall.now().millis, millis: millis(sent), tries, status: status.as_u16() };
        Ok(Good::Success(success(figures, &values)))
    }

    fn extract(&self, answer: &Answer<'_>) -> Result<Vec<Box<RawValue>>, String> {
        let mut values = self.run.job.output.columns.extract(answer, self.run.output)?;
        self.run.mask.values(&mut values);
        values.iter().map(to_raw_value).collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    /// The failure of an answer that is neither 2xx nor a redirect.
    async fn refusal(&self, response: reqwest::Response, whole: Option<u64>, deadline: Instant) -> Trouble {
        let status = response.status();
        let now = self.wall.now().millis;
        let (slow, retry_after) = retry_after::asked(status, response.headers(), now);
        let said = timeout_at(deadline, body::prefix(response, whole.unwrap_or(REFUSAL).min(REFUSAL))).await.unwrap_or_default();
        let text = self.run.mask.text(&String::from_utf8_lossy(&said));
        let mut detail = excerpt(&text);
        if detail.is_empty() {
            detail = format!("the answer was {status}, without a body");
        }
        let failure = Failure { code: Code::Http(status.as_u16()), detail, status: status.as_u16() };
        let nature = match status {
            _ if slow => Nature::Throttled,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Nature::Doubtful,
            status if status.is_server_error() => Nature::Doubtful,
            _ => Nature::Final,
        };
        Trouble { failure, nature, on_wire: true, retry_after }
    }

    fn cut(&self, cut: body::Cut, status: StatusCode) -> Trouble {
        let mut trouble = match cut {
            body::Cut::TooLarge => {
                Trouble::last(Code::TooLarge, format!("the answer is larger than {} bytes", self.run.job.request.max_response))
            }
            body::Cut::Late => self.timeout("the answer's body did not end"),
            body::Cut::Broken(error) => fault::of_body(error),
            body::Cut::Short => {
                Trouble { nature: Nature::Doubtful, ..Trouble::last(Code::BodyCut, "the connection was closed within the body") }
            }
        };
        trouble.failure.status = status.as_u16();
        trouble
    }

    /// There was no response that can be read.
    fn lost(&self, error: reqwest::Error, prepared: &Prepared) -> Trouble {
        let trouble = fault::of_request(error);
        if trouble.failure.code == Code::BadResponse {
            // What it sent may have been the end of an earlier response.
            self.run.connections.distrust(&prepared.url);
        }
        trouble
    }

    fn timeout(&self, what: &str) -> Trouble {
        let detail = format!("{what} within {:?}", self.run.job.request.timeout);
        Trouble { nature: Nature::Doubtful, ..Trouble::last(Code::Timeout, detail) }
    }
}

impl Trouble {
    fn of(failure: Failure) -> Self {
        Self { failure, nature: Nature::Final, on_wire: true, retry_after: None }
    }

    fn last(code: Code, detail: impl Into<String>) -> Self {
        Self::of(Failure::new(code, detail))
    }

    /// A failure before anything was sent.
    fn unsent(code: Code, detail: impl Into<String>) -> Self {
        Self { on_wire: false, ..Self::last(code, detail) }
    }
}

fn request(client: &reqwest::Client, prepared: &Prepared) -> Result<reqwest::Request, reqwest::Error> {
    // The builder turns `user:password@` of the URL into a header; the job's own headers come after it.
    let request = client.request(prepared.method.clone(), prepared.url.clone()).headers(prepared.headers.clone());
    match &prepared.body {
        Some(body) => request.body(body.clone()).build(),
        None => request.build(),
    }
}

/// On one line, and short.
fn excerpt(text: &str) -> String {
    let mut short = String::with_capacity(EXCERPT);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    for (n, word) in words.enumerate() {
        short.extend((n > 0).then_some(' ').into_iter().chain(word.chars()).take(EXCERPT + 1));
        if short.len() > EXCERPT * 4 || short.chars().count() > EXCERPT {
            let mut cut: String = short.chars().take(EXCERPT - 1).collect();
            cut.push('…');
            return cut;
        }
    }
    short
}

fn millis(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_lines() {
        assert_eq!(excerpt(" a\r\n\tb\0c "), "a b c");
        let long = excerpt(&"é".repeat(1000));
        assert_eq!(long.chars().count(), EXCERPT);
        assert!(long.ends_with('…'));
        assert_eq!(excerpt(&"é".repeat(EXCERPT)).chars().count(), EXCERPT);
        assert_eq!(excerpt(&"word ".repeat(1000)).chars().count(), EXCERPT);
    }
}
