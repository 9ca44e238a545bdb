//! A schedule that was made by the API.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::groups::DEFAULT;
use super::key;
use crate::api::ApiError;
use crate::arn::Place;
use crate::catalog::Moment;
use crate::schedules::{Expression, Timing, state_key};
use crate::settings::CatchUp;
use crate::store::{Batch, Space};

/// The target that starts executions by a call of the SDK: the machine is in the input.
const UNIVERSAL: &str = "arn:aws:scheduler:::aws-sdk:sfn:startExecution";
/// Seconds after which a due time is not started any more.
const DAY: u32 = 86_400;
const RETRIES: u32 = 185;
/// The most characters of the name of an execution before its time.
const MOST_IN_NAME: usize = 50;

/// A schedule, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(super) members: Members,
    pub(super) created: Moment,
    pub(super) modified: Moment,
    pub(super) token: Option<String>,
}

/// The members of `CreateSchedule` and `UpdateSchedule`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Members {
    schedule_expression: String,
    schedule_expression_timezone: Option<String>,
    /// Seconds since 1970.
    start_date: Option<f64>,
    end_date: Option<f64>,
    description: Option<String>,
    state: Option<State>,
    action_after_completion: Option<Action>,
    flexible_time_window: Window,
    target: Target,
    pub(super) group_name: Option<String>,
    pub(super) client_token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Enabled,
    Disabled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Action {
    None,
    Delete,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Window {
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_window_in_minutes: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Mode {
    Off,
    Flexible,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Target {
    arn: String,
    role_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(default)]
    retry_policy: RetryPolicy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct RetryPolicy {
    maximum_event_age_in_seconds: u32,
    maximum_retry_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { maximum_event_age_in_seconds: DAY, maximum_retry_attempts: RETRIES }
    }
}

/// The input of the universal target.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartExecution {
    state_machine_arn: String,
    #[serde(default)]
    input: Option<String>,
}

impl Members {
    /// The members, after a check of everything that can be checked before a time is due.
    pub(super) fn checked(self, name: &str, group: &str, place: &Place) -> Result<Self, ApiError> {
        check_name("name", name)?;
        check_name("groupName", group)?;
        let wrong = |message: String| Err(ApiError::validation(message));
        if let Err(why) = Expression::parse_named(&self.schedule_expression) {
            return wrong(format!("Invalid Schedule Expression {}. {why}", self.schedule_expression));
        }
        let zone = self.schedule_expression_timezone.as_deref().unwrap_or("UTC");
        if zone.len() > 50 || TimeZone::get(zone).is_err() {
            return wrong(format!(
                "The timezone {zone} provided in ScheduleExpressionTimezone is not supported."
            ));
        }
        if self.start_date.zip(self.end_date).is_some_and(|(start, end)| start >= end) {
            return wrong("The StartDate must come before the EndDate.".into());
        }
        match (self.flexible_time_window.mode, self.flexible_time_window.maximum_window_in_minutes) {
            (Mode::Off, None) | (Mode::Flexible, Some(1..=1440)) => {}
            (Mode::Off, Some(_)) => return wrong("MaximumWindowInMinutes is for the mode FLEXIBLE.".into()),
            (Mode::Flexible, _) => return wrong("MaximumWindowInMinutes must be from 1 to 1440.".into()),
        }
        let RetryPolicy { maximum_event_age_in_seconds: age, maximum_retry_attempts: attempts } =
            self.target.retry_policy;
        if !(60..=DAY).contains(&age) || attempts > RETRIES {
            return wrong(
                "RetryPolicy: MaximumEventAgeInSeconds is from 60 to 86400, MaximumRetryAttempts to 185."
                    .into(),
            );
        }
        let (machine, _) = self.target.start().map_err(ApiError::validation)?;
        if !machine.starts_with(&place.machine("")) {
            return wrong(format!(
                "Provided Arn is not in correct format. This server has no state machine {machine}."
            ));
        }
        Ok(self)
    }

    pub(super) fn state_name(&self) -> &'static str {
        match self.state {
            Some(State::Disabled) => "DISABLED",
            _ => "ENABLED",
        }
    }
}

impl Target {
    /// The machine and the text of the input.
    fn start(&self) -> Result<(String, String), String> {
        if self.arn != UNIVERSAL {
            return Ok((self.arn.clone(), self.input.clone().unwrap_or_else(|| "{}".into())));
        }
        let input = self.input.as_deref().unwrap_or_default();
        let start: StartExecution = serde_json::from_str(input)
            .map_err(|error| format!("The Input of {UNIVERSAL} must have a StateMachineArn: {error}"))?;
        Ok((start.state_machine_arn, start.input.unwrap_or_else(|| "{}".into())))
    }
}

impl Record {
    pub(super) fn arn(&self, place: &Place) -> String {
        let Place { region, account } = place;
        format!("arn:aws:scheduler:{region}:{account}:schedule/{}/{}", self.group, self.name)
    }

    /// When it is due. `None` while it is disabled.
    pub(crate) fn timing(&self) -> Option<Timing> {
        if self.members.state == Some(State::Disabled) {
            return None;
        }
        let zone = self.members.schedule_expression_timezone.as_deref().unwrap_or("UTC");
        let at = |seconds: f64| Timestamp::from_duration(jiff::SignedDuration::from_secs_f64(seconds)).ok();
        let minutes = self.members.flexible_time_window.maximum_window_in_minutes.unwrap_or(0);
        Some(Timing {
            key: self.key(),
            // Every change begins anew.
            anew: self.modified.0.to_string(),
            expression: Expression::parse(&self.members.schedule_expression).ok()?,
            zone: TimeZone::get(zone).ok()?,
            begins: self.members.start_date.and_then(at),
            ends: self.members.end_date.and_then(at),
            window: Duration::from_secs(u64::from(minutes) * 60),
            catch_up: CatchUp::Once,
            max_age: Duration::from_secs(u64::from(
                self.members.target.retry_policy.maximum_event_age_in_seconds,
            )),
        })
    }

    /// The text of its expression.
    pub(crate) fn expression(&self) -> &str {
        &self.members.schedule_expression
    }

    /// The machine and the input of an execution for a due time.
    pub(crate) fn start(&self, place: &Place, time: &str, execution: &str) -> (String, String) {
        let (machine, input) = self.members.target.start().unwrap_or_default();
        let input = input
            .replace("<aws.scheduler.scheduled-time>", time)
            .replace("<aws.scheduler.execution-id>", execution)
            .replace("<aws.scheduler.attempt-number>", "1")
            .replace("<aws.scheduler.schedule-arn>", &self.arn(place));
        (machine, input)
    }

    /// Whether it is deleted after its last time.
    pub(crate) fn is_deleted_after_its_end(&self) -> bool {
        self.members.action_after_completion == Some(Action::Delete)
    }

    /// What the names of its executions begin with: they have at most 80 characters, and other groups may have a
    /// schedule of the same name.
    pub(crate) fn execution_prefix(&self) -> String {
        if self.group == DEFAULT && self.name.len() <= MOST_IN_NAME {
            return self.name.clone();
        }
        let hash = blake3::hash(self.key().as_bytes()).to_hex();
        format!("{}-{}", &self.name[..self.name.len().min(MOST_IN_NAME - 9)], &hash[..8])
    }

    /// Its name among all schedules. Names of the settings have no slash.
    fn key(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    /// Removes it, and what is known of its due times.
    pub(crate) fn remove(&self, batch: &mut Batch) {
        batch.remove(Space::Catalog, key(&self.group, &self.name));
        batch.remove(Space::Triggers, state_key(&self.key()));
    }

    pub(super) fn summary(&self, place: &Place) -> Value {
        json!({
            "Arn": self.arn(place),
            "Name": self.name,
            "GroupName": self.group,
            "State": self.members.state_name(),
            "CreationDate": self.created.to_json(),
            "LastModificationDate": self.modified.to_json(),
            "Target": { "Arn": self.members.target.arn },
        })
    }

    pub(super) fn to_json(&self, place: &Place) -> Value {
        let mut shown = json!(self.members);
        let Value::Object(own) = &mut shown else { return shown };
        own.retain(|_, value| !value.is_null());
        own.entry("ScheduleExpressionTimezone").or_insert_with(|| "UTC".into());
        own.entry("ActionAfterCompletion").or_insert_with(|| "NONE".into());
        if let Value::Object(summary) = self.summary(place) {
            own.extend(summary.into_iter().filter(|(name, _)| name != "Target"));
        }
        shown
    }
}

/// Checks the name of a schedule or of a group, in AWS's words.
pub(super) fn check_name(member: &str, name: &str) -> Result<(), ApiError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let constraint = if name.is_empty() {
        "Member must have length greater than or equal to 1"
    } else if name.len() > 64 {
        "Member must have length less than or equal to 64"
    } else if !plain {
        "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$"
    } else {
        return Ok(());
    };
    Err(ApiError::validation(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: {constraint}"
    )))
}
