//! TestState.

use std::sync::Arc;

use engine::{InspectionLevel, TestError, TestRequest};
use serde_json::Value;

use super::{Api, ApiError, Input};

impl Api {
    pub(super) async fn test_state(&self, input: &Input) -> Result<Value, ApiError> {
        let mut members = input.0.clone();
        members.retain(|_, value| !value.is_null());
        for name in ["definition", "stateName", "inspectionLevel"] {
            members.remove(name);
        }
        // The types of the members have been checked.
        let mut request: TestRequest = serde_json::from_value(Value::Object(members))
            .map_err(|error| ApiError::new("SerializationException", error.to_string()))?;
        request.arn_prefix = Some(self.place.arn_prefix());
        let level = match input.maybe("inspectionLevel") {
            Some("DEBUG") => InspectionLevel::Debug,
            Some("TRACE") => InspectionLevel::Trace,
            _ => InspectionLevel::Info,
        };
        let host = Arc::new(self.executions.host().clone());
        let tested = engine::test_state(input.text("definition"), input.maybe("stateName"), &request, host);
        match tested.await {
            Ok(tested) => Ok(tested.to_json(level)),
            Err(TestError::Refused(refused)) => Err(refused.into()),
            Err(TestError::Stopped(stopped)) => Err(ApiError::unavailable(stopped.to_string())),
        }
    }
}
