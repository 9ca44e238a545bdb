//! Runs of files that are the body of a request.

use serde::{Deserialize, Serialize};

use super::{Triggers, execution_name, queue_of_job};
use crate::jobs::{Content, JobsError};
use crate::rest::{RestError, conflict};
use crate::store::{Batch, KeyWriter, Space};

/// The keys of requests among those of triggers begin with this.
const REQUEST: u8 = b'i';

/// A request that was named by an idempotency key.
#[derive(Serialize, Deserialize)]
struct Request {
    /// The file.
    file: String,
    /// The ETag of the object of this file before the request.
    before: Option<String>,
    /// Its run, once that is known.
    run: Option<String>,
}

impl Triggers {
    /// Uploads a file of a job, which starts a run. Returns the name of the run. The same idempotency key is the same
    /// run, also after a crash: then the ETag of the object says whether the upload happened.
    pub(crate) async fn run_of_body(
        &self,
        job: &str,
        file: &str,
        idempotency: Option<&str>,
        content: Content,
    ) -> Result<String, RestError> {
        let key = format!("jobs/{job}/input/{file}");
        let Some(idempotency) = idempotency else { return self.upload(job, &key, content).await };
        let record = KeyWriter::default().byte(REQUEST).text(job).text(idempotency).done();
        let _under_way = UnderWay::enter(self, &record).ok_or_else(|| {
            conflict(format!("a request with the Idempotency-Key {idempotency:?} is under way"))
        })?;
        let present = self.etag(&key)?;
        let known: Option<Request> = self.0.store.get_json(Space::Triggers, &record)?;
        let mut request = match known {
            Some(known) if known.file != file => {
                let message =
                    format!("the Idempotency-Key {idempotency:?} named the file {:?} before", known.file);
                return Err(conflict(message));
            }
            Some(Request { run: Some(run), .. }) => return Ok(run),
            Some(known) => known,
            None => {
                let request = Request { file: file.to_owned(), before: present.clone(), run: None };
                self.write(&record, &request).await?;
                request
            }
        };
        let run = match present {
            Some(etag) if request.before.as_ref() != Some(&etag) => name_of(job, &key, &etag),
            _ => self.upload(job, &key, content).await?,
        };
        request.run = Some(run.clone());
        self.write(&record, &request).await?;
        Ok(run)
    }

    async fn upload(&self, job: &str, key: &str, content: Content) -> Result<String, RestError> {
        if self.0.jobs.queue(key, 1).is_none() {
            return Err(JobsError::Wrong(format!("{key:?} is not the key of an input")).into());
        }
        let etag = self.0.jobs.upload(key, content).await?;
        Ok(name_of(job, key, &etag))
    }

    async fn write(&self, key: &[u8], request: &Request) -> Result<(), RestError> {
        let mut batch = Batch::default();
        batch.put_json(Space::Triggers, key, request);
        Ok(self.0.store.commit(batch).await?)
    }

    fn etag(&self, key: &str) -> Result<Option<String>, RestError> {
        let found = self.0.objects.written(s3::BUCKET, key);
        let found = found.map_err(|error| JobsError::Unavailable(error.to_string()))?;
        Ok(found.map(|object| object.etag))
    }
}

/// The name of the run of an upload.
fn name_of(job: &str, key: &str, etag: &str) -> String {
    execution_name(&queue_of_job(job), s3::BUCKET, key, etag)
}

/// A request that is under way, by its idempotency key.
struct UnderWay<'a> {
    triggers: &'a Triggers,
    key: Vec<u8>,
}

impl<'a> UnderWay<'a> {
    fn enter(triggers: &'a Triggers, key: &[u8]) -> Option<Self> {
        let entered = triggers.requests().insert(key.to_vec());
        entered.then(|| Self { triggers, key: key.to_vec() })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.triggers.requests().remove(&self.key);
    }
}
