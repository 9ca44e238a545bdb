//! Requests that are counted over hours or days, or over a whole run. The counts are durable: a request is
//! counted before it is sent, some of them in advance, so that a crash never makes a count too small.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use job::run::{FORMAT, read_file};
use job::{Objects, StepError};
use serde::{Deserialize, Serialize};

/// A window is divided into this many parts, each with its own count. A request counts until its part has left
/// the window, so for a sixtieth of it longer.
const PARTS: u32 = 60;

/// A count that all calls of this process share.
pub(crate) struct Ledger {
    objects: Objects,
    key: String,
    /// `None`: nothing ever leaves.
    window: Option<Duration>,
    book: tokio::sync::Mutex<Option<Book>>,
}

/// The counts, by the time in milliseconds since 1970 at which a part of the window begins.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    format: u32,
    counts: BTreeMap<u64, u64>,
    /// Requests that are counted and not used yet. They are lost with the process.
    #[serde(skip)]
    ahead: u64,
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// Not before this time, in milliseconds since 1970; `None`: never.
    Until(Option<u64>),
}

impl Ledger {
    fn part(&self, now: u64) -> u64 {
        let width = self.width();
        if width == 0 { 0 } else { now - now % width }
    }

    /// Milliseconds of a part; 0 without a window.
    fn width(&self) -> u64 {
        self.window.map_or(0, |window| millis(window / PARTS).max(1))
    }

    /// Takes `count` of `most`. If none is counted in advance, `ahead` are, as far as they are left.
    pub(crate) async fn take(&self, count: u64, most: u64, ahead: u64, now: u64) -> Result<Taken, StepError> {
        let mut held = self.book.lock().await;
        let book = match &mut *held {
            Some(book) => book,
            empty => empty.insert(self.read().await?),
        };
        let count = count.min(most);
        if book.ahead < count {
            if let Some(window) = self.window {
                let from = now.saturating_sub(millis(window) + self.width());
                book.counts.retain(|part, _| *part > from);
            }
            let used: u64 = book.counts.values().sum();
            let left = most.saturating_sub(used);
            if book.ahead + left < count {
                return Ok(Taken::Until(self.free_at(book, count - book.ahead, most)));
            }
            let more = left.min(ahead.max(count - book.ahead));
            *book.counts.entry(self.part(now)).or_default() += more;
            self.write(book).await?;
            book.ahead += more;
        }
        book.ahead -= count;
        Ok(Taken::Yes)
    }

    /// Gives back what was taken and not used.
    pub(crate) async fn give_back(&self, count: u64) {
        if let Some(book) = &mut *self.book.lock().await {
            book.ahead += count;
        }
    }

    /// Writes the counts without what was counted in advance.
    pub(crate) async fn settle(&self) -> Result<(), StepError> {
        let mut held = self.book.lock().await;
        let Some(book) = held.as_mut().filter(|book| book.ahead > 0) else { return Ok(()) };
        let mut left = std::mem::take(&mut book.ahead);
        for count in book.counts.values_mut().rev() {
            let less = left.min(*count);
            *count -= less;
            left -= less;
        }
        self.write(book).await
    }

    /// When so many parts have left the window that `count` are free.
    fn free_at(&self, book: &Book, count: u64, most: u64) -> Option<u64> {
        let window = millis(self.window?) + self.width();
        let mut used: u64 = book.counts.values().sum();
        book.counts.iter().find_map(|(part, counted)| {
            used -= counted;
            (most.saturating_sub(used) >= count).then_some(part + window)
        })
    }

    async fn read(&self) -> Result<Book, StepError> {
        match self.objects.find(&self.key).await? {
            Some(body) => read_file(&body, &self.key, "a count of requests"),
            None => Ok(Book::default()),
        }
    }

    async fn write(&self, book: &mut Book) -> Result<(), StepError> {
        book.format = FORMAT;
        let body = serde_json::to_vec(book).expect("counts are plain JSON");
        self.objects.put(&self.key, body).await?;
        Ok(())
    }
}

/// The ledgers that calls of this process use. One that no call uses is read again by the next call, since
/// another process may have changed it.
#[derive(Default)]
pub(crate) struct Ledgers(Mutex<HashMap<String, Weak<Ledger>>>);

impl Ledgers {
    pub(crate) fn get(&self, objects: &Objects, key: String, window: Option<Duration>) -> Arc<Ledger> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = all.get(&key).and_then(Weak::upgrade) {
            return ledger;
        }
        all.retain(|_, ledger| ledger.strong_count() > 0);
        let ledger =
            Arc::new(Ledger { objects: objects.clone(), key: key.clone(), window, book: Default::default() });
        all.insert(key, Arc::downgrade(&ledger));
        ledger
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}
