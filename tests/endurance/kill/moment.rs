//! Moments in the life of a run, recognised by the files of its state folder.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use testing::Api;

/// A moment. Whether it was met is looked up again when the process is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// The process exists, and nothing else.
    Started,
    /// The run is claimed; no item is written.
    Claimed,
    /// Parts of the items are written.
    Splitting,
    /// The plan exists, and no request was made.
    Split,
    FirstRequest,
    /// This number of result segments is stored, but not the output.
    Flushes(usize),
    /// The journal has changed this number of times.
    Commits(u64),
    /// Parts of the output are written.
    Merging,
    /// All parts exist and are being joined.
    Joining,
    /// The parts are joined, and the output does not exist yet.
    Joined,
    /// The output exists, and no report.
    Published,
    /// The report exists, and so does everything else.
    Reported,
    /// The run's folder is partly removed.
    Tidying,
}

impl Moment {
    pub const ALL: [Self; 14] = [
        Self::Started,
        Self::Claimed,
        Self::Splitting,
        Self::Split,
        Self::FirstRequest,
        Self::Flushes(1),
        Self::Flushes(2),
        Self::Commits(6),
        Self::Merging,
        Self::Joining,
        Self::Joined,
        Self::Published,
        Self::Reported,
        Self::Tidying,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "at the start",
            Self::Claimed => "claimed",
            Self::Splitting => "inside the split",
            Self::Split => "split, nothing sent",
            Self::FirstRequest => "first requests under way",
            Self::Flushes(1) => "after the first flush",
            Self::Flushes(_) => "between flushes",
            Self::Commits(_) => "journal commits",
            Self::Merging => "during the merge",
            Self::Joining => "parts being joined",
            Self::Joined => "output joined, not published",
            Self::Published => "output published, no report",
            Self::Reported => "reported, not tidied",
            Self::Tidying => "during the clean-up",
        }
    }

    /// Whether it comes before the first response.
    pub fn is_before_responses(self) -> bool {
        matches!(self, Self::Started | Self::Claimed | Self::Splitting | Self::Split | Self::FirstRequest)
    }

    /// Whether a redrive, whose run is split already, has no such moment.
    pub fn is_of_the_split(self) -> bool {
        matches!(self, Self::Claimed | Self::Splitting)
    }

    /// Its place among [`Moment::ALL`].
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|moment| *moment == self).unwrap()
    }

    pub fn is_now(self, state: &State, api: &Api) -> bool {
        let run = state.run();
        let has = |name: &str| run.as_ref().is_some_and(|run| run.join(name).exists());
        let output = state.is_new(&state.output());
        let report = state.is_new(&state.report());
        match self {
            Self::Started => true,
            Self::Claimed => has("claim.json") && !has("items") && !has("plan.json"),
            Self::Splitting => !state.uploads("/items/").is_empty() && !has("plan.json"),
            Self::Split => has("plan.json") && state.requests(api) == 0,
            Self::FirstRequest => has("plan.json") && state.requests(api) > 0,
            Self::Flushes(count) => state.new_segments() >= count && !output,
            Self::Commits(_) => !report,
            Self::Merging => !state.uploads("/output/").is_empty() && !output,
            Self::Joining => {
                state.uploads("/output/").iter().any(|upload| upload.join("00002").exists()) && !output
            }
            Self::Joined => {
                state.uploads("/output/").iter().any(|upload| upload.join("joined").exists()) && !output
            }
            Self::Published => output && !report,
            Self::Reported => report && has("items") && has("results"),
            Self::Tidying => report && has("finished.json") && has("manifest"),
        }
    }
}

/// What the run before a redrive has left.
#[derive(Clone, Default)]
pub struct Left {
    segments: HashSet<PathBuf>,
    /// When output and report were written.
    written: HashMap<PathBuf, SystemTime>,
}

/// A state folder, observed from outside.
pub struct State {
    root: PathBuf,
    before: Left,
    /// What earlier processes left: unfinished uploads, result segments, and the number of their requests.
    old: (HashSet<PathBuf>, usize, usize),
}

impl State {
    pub fn new(root: PathBuf, before: &Left, api: &Api) -> Self {
        let mut state = Self { root, before: before.clone(), old: (HashSet::new(), 0, api.count()) };
        state.old.0 = entries(&state.root.join(".s3/uploads")).into_iter().collect();
        state.old.1 = state.segments().len();
        state
    }

    /// Result segments of this process.
    pub fn new_segments(&self) -> usize {
        self.segments().len().saturating_sub(self.old.1)
    }

    /// Requests of this process.
    pub fn requests(&self, api: &Api) -> usize {
        api.count() - self.old.2
    }

    /// What a redrive finds.
    pub fn left(&self) -> Left {
        let written = |path: PathBuf| fs::metadata(&path).ok()?.modified().ok().map(|at| (path, at));
        let written = [self.output(), self.report()].into_iter().filter_map(written).collect();
        Left { segments: self.segments().into_iter().collect(), written }
    }

    /// Whether the file exists, and did not when the redrive began.
    fn is_new(&self, path: &Path) -> bool {
        fs::metadata(path)
            .and_then(|facts| facts.modified())
            .is_ok_and(|at| self.before.written.get(path) != Some(&at))
    }

    fn output(&self) -> PathBuf {
        self.root.join("jobs/kill/output/in.csv")
    }

    pub fn report(&self) -> PathBuf {
        self.root.join("jobs/kill/report/in.csv.json")
    }

    /// The folder of the one run.
    pub fn run(&self) -> Option<PathBuf> {
        entries(&self.root.join("runs/kill")).into_iter().find(|path| path.join("claim.json").exists())
    }

    /// The folders of multipart uploads under way whose keys contain `part`.
    fn uploads(&self, part: &str) -> Vec<PathBuf> {
        let all = entries(&self.root.join(".s3/uploads")).into_iter();
        all.filter(|upload| !self.old.0.contains(upload))
            .filter(|upload| !upload.join("complete.json").exists() || upload.join("joined").exists())
            .filter(|upload| {
                fs::read_to_string(upload.join("upload.json")).is_ok_and(|text| text.contains(part))
            })
            .collect()
    }

    /// The result segments; in a redrive only those of the redrive.
    pub fn segments(&self) -> Vec<PathBuf> {
        let lanes = self.run().map(|run| entries(&run.join("results"))).unwrap_or_default();
        let all = lanes.iter().flat_map(|lane| entries(lane)).flat_map(|batch| entries(&batch));
        all.filter(|segment| !self.before.segments.contains(segment)).collect()
    }

    /// The journal, as long as there is one.
    pub fn journal(&self) -> Option<PathBuf> {
        entries(&self.root.join(".journal"))
            .into_iter()
            .find(|path| path.extension().is_some_and(|ending| ending == "redb"))
    }

    /// A value that changes with every change of the state folder: the state of the journal, and of everything else.
    pub fn changes(&self, api: &Api) -> (u128, Vec<usize>) {
        let journal = self.journal().and_then(|path| fs::metadata(path).ok()?.modified().ok());
        let journal = journal.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |at| at.as_nanos());
        let run = self.run().unwrap_or_default();
        let uploads = entries(&self.root.join(".s3/uploads"));
        let rest = vec![
            count(&run),
            self.segments().len(),
            uploads.len(),
            uploads.iter().map(|upload| count(upload)).sum(),
            entries(&self.root.join(".s3/tmp")).iter().map(|process| count(process)).sum(),
            count(&self.root.join("jobs/kill/output")),
            usize::from(self.is_new(&self.report())),
            // A request is an event too, but not each.
            api.count() / 50,
        ];
        (journal, rest)
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|all| all.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default()
}

fn count(folder: &Path) -> usize {
    entries(folder).len()
}
