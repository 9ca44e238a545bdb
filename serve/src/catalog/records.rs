//! The records of the catalog, as they are stored.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

/// A time in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    pub(crate) fn now() -> Self {
        Self::of(OffsetDateTime::now_utc())
    }

    pub(crate) fn of(time: OffsetDateTime) -> Self {
        Self(i64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX))
    }

    /// As the API shows times: seconds, with milliseconds.
    pub(crate) fn to_json(self) -> Value {
        Value::from((self.0 / 1_000) as f64 / 1_000.0)
    }
}

/// Keys and values, in the order in which they were first set.
pub(crate) type Tags = Vec<(String, String)>;

/// A state machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) name: String,
    /// Tells machines apart that had one name after another.
    pub(crate) number: u64,
    pub(crate) express: bool,
    pub(crate) created: Moment,
    /// Whether it is removed once its executions have ended.
    pub(crate) deleting: bool,
    /// The id of its current revision.
    pub(crate) revision: String,
    /// Whether `CreateStateMachine` published a version, and its description: a repeated call must be equal.
    pub(crate) created_published: bool,
    pub(crate) created_description: Option<String>,
    /// The number of the next version. Numbers are never used again.
    pub(crate) next_version: u32,
    /// In the order of their numbers.
    pub(crate) versions: Vec<Version>,
    /// In the order in which they were created.
    pub(crate) aliases: Vec<Alias>,
    pub(crate) tags: Tags,
}

impl Machine {
    pub(crate) fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    pub(crate) fn alias(&self, name: &str) -> Option<&Alias> {
        self.aliases.iter().find(|alias| alias.name == name)
    }

    /// Publishes the current revision, unless it is published already. Returns the version's number.
    pub(crate) fn publish(&mut self, description: Option<String>, now: Moment) -> &Version {
        let found = self.versions.iter().position(|version| version.revision == self.revision);
        let at = found.unwrap_or_else(|| {
            let number = self.next_version;
            self.next_version += 1;
            let revision = self.revision.clone();
            self.versions.push(Version { number, revision, created: now, description });
            self.versions.len() - 1
        });
        &self.versions[at]
    }
}

/// A published revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) revision: String,
    pub(crate) created: Moment,
    pub(crate) description: Option<String>,
}

/// A name for one version or two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) routes: Vec<Route>,
    pub(crate) created: Moment,
    pub(crate) updated: Option<Moment>,
}

/// A version and its share of the executions, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) version: u32,
    pub(crate) weight: u8,
}

/// What an update of a machine changes. Executions keep the revision that they began with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Revision {
    pub(crate) id: String,
    /// Whether `CreateStateMachine` made it: the API shows no id of such a revision.
    pub(crate) first: bool,
    pub(crate) definition: String,
    pub(crate) role_arn: String,
    pub(crate) logging: Value,
    pub(crate) tracing: Value,
    pub(crate) encryption: Value,
    pub(crate) updated: Moment,
}

/// An activity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Activity {
    pub(crate) name: String,
    pub(crate) created: Moment,
    pub(crate) encryption: Value,
    pub(crate) tags: Tags,
}
