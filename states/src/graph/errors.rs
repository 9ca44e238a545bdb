//! Retries and caught errors, in words.

use serde_json::Value;

/// The retries of a state, one line each.
pub(super) fn retries(state: &Value) -> Vec<String> {
    let retriers = state["Retry"].as_array().into_iter().flatten();
    let line = |retrier: &Value| {
        let times = retrier["MaxAttempts"].as_u64().unwrap_or(3);
        let times = match times {
            0 => return format!("No retry: {}", first_errors(retrier)),
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            times => format!("{times} times"),
        };
        format!("Retry {times}: {}", first_errors(retrier))
    };
    retriers.map(line).collect()
}

/// The errors of a retrier or catcher.
pub(super) fn errors(rule: &Value) -> String {
    let names = rule["ErrorEquals"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let plain = |name: &str| match name {
        "States.ALL" => "any error".to_owned(),
        "States.TaskFailed" => "task failed".to_owned(),
        "States.Timeout" => "timeout".to_owned(),
        name => name.to_owned(),
    };
    names.map(plain).collect::<Vec<_>>().join(", ")
}

/// The first errors of a rule, and how many more there are.
pub(super) fn first_errors(rule: &Value) -> String {
    let all = errors(rule);
    let names: Vec<&str> = all.split(", ").collect();
    match names[..] {
        [first, second, _, ..] => format!("{first}, {second} and {} more", names.len() - 2),
        _ => all,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn retries_are_written_in_words() {
        let retry = json!({ "Retry": [{ "ErrorEquals": ["States.ALL"] }, { "ErrorEquals": ["A", "B"], "MaxAttempts": 1 }] });
        assert_eq!(retries(&retry), ["Retry 3 times: any error", "Retry once: A, B"]);
    }
}
