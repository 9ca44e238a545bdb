//! Fields that do not take any text, and what stands for a placeholder in them.

/// What the language wants in a field that does not take any text.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Number,
    Time,
    Truth,
}

impl Wanted {
    pub(super) fn of(key: &str) -> Option<Self> {
        const NUMBERS: [&str; 12] = [
            "BackoffRate",
            "HeartbeatSeconds",
            "IntervalSeconds",
            "MaxAttempts",
            "MaxConcurrency",
            "MaxDelaySeconds",
            "MaxInputBytesPerBatch",
            "MaxItems",
            "MaxItemsPerBatch",
            "Seconds",
            "TimeoutSeconds",
            "ToleratedFailureCount",
        ];
        let compares = |kind: &str| key.starts_with(kind) && !key.ends_with("Path");
        if NUMBERS.contains(&key) || key == "ToleratedFailurePercentage" || compares("Numeric") {
            Some(Self::Number)
        } else if compares("Timestamp") {
            Some(Self::Time)
        } else if key == "BooleanEquals" || key.starts_with("Is") {
            Some(Self::Truth)
        } else {
            None
        }
    }

    /// Whether a value is one, so that it is written without quotation marks.
    pub(super) fn accepts(self, value: &str) -> bool {
        match self {
            Self::Number => serde_json::from_str::<serde_json::Number>(value).is_ok(),
            Self::Time => false,
            Self::Truth => value == "true" || value == "false",
        }
    }

    pub(super) fn stand_in(self, key: &str) -> &'static str {
        match self {
            Self::Number if key == "TimeoutSeconds" => "99999999",
            Self::Number => "1",
            Self::Time => "\"2030-01-01T00:00:00Z\"",
            Self::Truth => "true",
        }
    }
}
