//! Whether a run keeps the results of the run before it of the same job and file.

use job::run::Again;

/// What the decision depends on.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// What the event says.
    pub(super) event: Option<Again>,
    /// What the job file says.
    pub(super) job: Option<Again>,
    /// Nobody can be asked: an event of new content is a new upload.
    pub(super) interactive: bool,
    /// The run before, if there was one.
    pub(super) before: Option<Before>,
}

/// The run before.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    /// When it started, in words.
    pub(super) started: String,
    /// Every line of it has succeeded.
    pub(super) finished: bool,
    /// It has results, or its requests carry keys that must be sent again.
    pub(super) has_traces: bool,
    /// Its lines that succeeded, counted by the names of its result segments.
    pub(super) ok: u64,
    /// A run that was to send every line came after it, and ended before it sent any.
    pub(super) gave_way: bool,
    /// The content of the file is another one. Where nobody can be asked also: the event is another one of the same content.
    pub(super) content_changed: bool,
    /// The method, the URL, a header or the body is another one.
    pub(super) requests_changed: bool,
    /// The names of the secrets whose value is another one.
    pub(super) secrets_changed: Vec<String>,
    /// This run has only a part of the file, and leaves lines of it out.
    pub(super) leaves_out: bool,
    /// It was interrupted, its requests have several lines and keys, and this run would send the lines in other
    /// requests, with other keys.
    pub(super) regrouped: bool,
    /// The first column whose values cannot be made from what it kept.
    pub(super) lost_column: Option<String>,
}

/// Nobody has said what the user wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Doubt {
    #[error(
        "the run of {started} has succeeded, and {changed} since then: with --continue its {ok} responses are \
         kept for the lines whose request is the same, and only the other lines are sent; with --fresh every \
         line is sent again. `again` in [run] of the job file decides it for every run"
    )]
    Changed { started: String, changed: &'static str, ok: u64 },
    #[error(
        "the run of {started} has succeeded, and its responses were not kept: with --fresh every line is sent \
         again"
    )]
    NothingToKeep { started: String },
    #[error(
        "the run of {started} has other lines of this file, and their responses would be lost: without --limit, \
         --lines and --sample they are kept; with --fresh they are thrown away"
    )]
    LeftOut { started: String },
    #[error(
        "the run of {started} was interrupted, and its requests have several lines and a key for all of them. \
         The file or [batch] has changed, so lines that may have been sent would be sent in other requests, with \
         other keys: with --continue they are, and its {ok} responses are kept; with --fresh every line is sent \
         again; as the file and [batch] were before, the run goes on with the same keys"
    )]
    Regrouped { started: String, ok: u64 },
    #[error(
        "the column {column:?} cannot be made from the {ok} responses of the run of {started}, which kept other \
         columns: take it out of [output] columns, or send every line again with --fresh"
    )]
    Column { started: String, column: String, ok: u64 },
    #[error(
        "the value of the secret {secrets} has changed since the run of {started}: with --continue its {ok} \
         responses are kept, and only the other lines are sent; with --fresh every line is sent again"
    )]
    Secret { started: String, secrets: String, ok: u64 },
}

/// Whether the results of the run before are kept.
///
/// # Errors
/// When only the user can know.
pub(super) fn decide(facts: &Facts) -> Result<Again, Doubt> {
    let Some(before) = &facts.before else { return Ok(Again::Fresh) };
    let Before { finished, ok, content_changed, requests_changed, .. } = *before;
    let started = || before.started.clone();
    if facts.event == Some(Again::Fresh) || before.gave_way && facts.event.is_none() {
        return Ok(Again::Fresh);
    }
    if before.leaves_out {
        return Err(Doubt::LeftOut { started: started() });
    }
    let asked = facts.event.or(facts.job);
    let new_upload = !facts.interactive && content_changed;
    if !before.has_traces {
        let sends_again = finished && asked != Some(Again::Fresh) && !new_upload;
        return if sends_again { Err(Doubt::NothingToKeep { started: started() }) } else { Ok(Again::Fresh) };
    }
    let decided = match asked {
        Some(asked) if new_upload || finished && (content_changed || requests_changed) => Some(asked),
        None if new_upload => Some(Again::Fresh),
        None if finished && (content_changed || requests_changed) => None,
        _ => Some(Again::Continue),
    };
    if decided == Some(Again::Fresh) {
        return Ok(Again::Fresh);
    }
    if let Some(column) = before.lost_column.clone().filter(|_| ok > 0) {
        return Err(Doubt::Column { started: started(), column, ok });
    }
    if decided.is_none() {
        let changed = match (content_changed, requests_changed) {
            (true, true) => "the file and the requests of the job have changed",
            (true, false) => "the content of the file has changed",
            (false, _) => "the requests of the job have changed",
        };
        return Err(Doubt::Changed { started: started(), changed, ok });
    }
    if before.regrouped && asked != Some(Again::Continue) {
        return Err(Doubt::Regrouped { started: started(), ok });
    }
    if !before.secrets_changed.is_empty() && ok > 0 && asked != Some(Again::Continue) {
        return Err(Doubt::Secret { started: started(), secrets: before.secrets_changed.join(", "), ok });
    }
    Ok(Again::Continue)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Option<Again> = Some(Again::Continue);
    const FRESH: Option<Again> = Some(Again::Fresh);

    /// A run that was interrupted after some lines.
    fn interrupted() -> Before {
        Before { started: "then".to_owned(), has_traces: true, ok: 7, ..Before::default() }
    }

    fn finished() -> Before {
        Before { finished: true, ..interrupted() }
    }

    /// In one word: what is decided for this run before, event and job file, on one machine or on AWS.
    fn word(before: Option<Before>, event: Option<Again>, job: Option<Again>, aws: bool) -> &'static str {
        match decide(&Facts { event, job, interactive: !aws, before }) {
            Ok(Again::Continue) => "continue",
            Ok(Again::Fresh) => "fresh",
            Err(Doubt::Changed { .. }) => "changed?",
            Err(Doubt::NothingToKeep { .. }) => "nothing?",
            Err(Doubt::Column { .. }) => "column?",
            Err(Doubt::Secret { .. }) => "secret?",
            Err(Doubt::Regrouped { .. }) => "regrouped?",
            Err(Doubt::LeftOut { .. }) => "left out?",
        }
    }

    /// The words for one run before on one machine and on AWS: nobody says anything, the job file says
    /// continue or fresh, the event says continue or fresh.
    fn words(before: &Before) -> [[&'static str; 5]; 2] {
        let said = [(None, None), (None, KEEP), (None, FRESH), (KEEP, None), (FRESH, None)];
        [false, true].map(|aws| said.map(|(event, job)| word(Some(before.clone()), event, job, aws)))
    }

    #[test]
    fn the_first_run_of_a_file_is_fresh() {
        for (event, job) in [(None, None), (KEEP, KEEP), (FRESH, FRESH)] {
            assert_eq!(word(None, event, job, false), "fresh");
            assert_eq!(word(None, event, job, true), "fresh");
        }
    }

    #[test]
    fn a_run_that_has_not_finished_is_continued() {
        let edits = [
            interrupted(),
            Before { requests_changed: true, ..interrupted() },
            Before {
                ok: 0,
                lost_column: Some("x".into()),
                secrets_changed: vec!["K".into()],
                ..interrupted()
            },
        ];
        for before in edits {
            let always = ["continue", "continue", "continue", "continue", "fresh"];
            assert_eq!(words(&before), [always, always], "{before:?}");
        }
    }

    #[test]
    fn an_upload_of_new_content_is_fresh_unless_it_is_told_to_continue() {
        for before in [interrupted(), Before { requests_changed: true, ..interrupted() }] {
            let before = Before { content_changed: true, ..before };
            let [local, aws] = words(&before);
            assert_eq!(local, ["continue", "continue", "continue", "continue", "fresh"]);
            assert_eq!(aws, ["fresh", "continue", "fresh", "continue", "fresh"]);
        }
    }

    #[test]
    fn a_finished_run_with_other_content_or_requests_is_a_doubt() {
        for (content_changed, requests_changed) in [(true, false), (false, true), (true, true)] {
            let before = Before { content_changed, requests_changed, ..finished() };
            let [local, aws] = words(&before);
            let asked = ["continue", "fresh", "continue", "fresh"];
            assert_eq!((local[0], &local[1..]), ("changed?", &asked[..]));
            let unsaid = if content_changed { "fresh" } else { "changed?" };
            assert_eq!((aws[0], &aws[1..]), (unsaid, &asked[..]));
        }
    }

    #[test]
    fn a_run_of_some_lines_never_loses_the_responses_of_others() {
        for before in [interrupted(), finished(), Before { has_traces: false, ..interrupted() }] {
            let never = ["left out?", "left out?", "left out?", "left out?", "fresh"];
            assert_eq!(words(&Before { leaves_out: true, ..before }), [never, never]);
        }
    }

    #[test]
    fn a_finished_run_with_a_harmless_edit_is_continued() {
        let always = ["continue", "continue", "continue", "continue", "fresh"];
        assert_eq!(words(&finished()), [always, always]);
    }

    #[test]
    fn a_finished_run_whose_results_are_gone_is_a_doubt_unless_everything_is_sent_again() {
        for requests_changed in [false, true] {
            let before = Before { has_traces: false, ok: 0, requests_changed, ..finished() };
            let expected = ["nothing?", "nothing?", "fresh", "nothing?", "fresh"];
            assert_eq!(words(&before), [expected, expected]);
        }
        let other = Before { has_traces: false, ok: 0, content_changed: true, ..finished() };
        assert_eq!(words(&other)[1], ["fresh"; 5], "an upload of new content");
        let nothing_sent = Before { has_traces: false, ok: 0, ..interrupted() };
        assert_eq!(words(&nothing_sent), [["fresh"; 5], ["fresh"; 5]]);
    }

    #[test]
    fn a_column_that_was_not_kept_is_a_doubt_whatever_was_said_but_fresh() {
        let lost = |before| Before { lost_column: Some("lat".into()), ..before };
        let expected = ["column?", "column?", "column?", "column?", "fresh"];
        assert_eq!(words(&lost(interrupted())), [expected, expected]);
        assert_eq!(words(&lost(finished())), [expected, expected]);
        let edited = lost(Before { requests_changed: true, ..finished() });
        let expected = ["column?", "column?", "fresh", "column?", "fresh"];
        assert_eq!(words(&edited), [expected, expected]);
        let uploaded = lost(Before { content_changed: true, ..finished() });
        assert_eq!(words(&uploaded)[1], ["fresh", "column?", "fresh", "column?", "fresh"]);
    }

    #[test]
    fn lines_that_would_be_sent_in_other_requests_are_a_doubt_unless_it_is_told_to_continue() {
        let expected = ["regrouped?", "continue", "regrouped?", "continue", "fresh"];
        assert_eq!(words(&Before { regrouped: true, ..interrupted() }), [expected, expected]);
    }

    #[test]
    fn a_changed_secret_is_a_doubt_unless_it_is_told_to_continue() {
        let changed = Before { secrets_changed: vec!["KEY".into()], ..interrupted() };
        let expected = ["secret?", "continue", "secret?", "continue", "fresh"];
        assert_eq!(words(&changed), [expected, expected]);
    }

    #[test]
    fn a_run_that_was_to_send_every_line_and_sent_none_still_counts() {
        for before in [interrupted(), finished()] {
            let before = Before { gave_way: true, ..before };
            let expected = ["fresh", "fresh", "fresh", "continue", "fresh"];
            assert_eq!(words(&before), [expected, expected]);
        }
    }

    #[test]
    fn a_doubt_says_what_changed_how_much_is_kept_and_what_to_do() {
        let facts = |before| Facts { event: None, job: None, interactive: true, before };
        let before = Before { content_changed: true, ..finished() };
        let doubt = decide(&facts(Some(before))).expect_err("it is a doubt").to_string();
        for part in
            ["the run of then", "content of the file", "7 responses", "--continue", "--fresh", "[run]"]
        {
            assert!(doubt.contains(part), "{part}: {doubt}");
        }
        let before = Before { lost_column: Some("lat".into()), ..interrupted() };
        let doubt = decide(&facts(Some(before))).expect_err("it is a doubt").to_string();
        for part in ["\"lat\"", "7 responses", "take it out", "--fresh"] {
            assert!(doubt.contains(part), "{part}: {doubt}");
        }
    }
}
