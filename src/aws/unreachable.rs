//! Names the address that could not be reached, which the errors of the SDK do not.

use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::config::{ConfigBag, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use url::Url;

/// Remembers the address of a request, and adds it to the error if the address cannot be reached.
#[derive(Debug, Default)]
pub(super) struct NameUnreachable(Mutex<String>);

/// No server responded at the address.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach {address}: {why}")]
struct Unreachable {
    address: String,
    why: String,
}

impl Intercept for NameUnreachable {
    fn name(&self) -> &'static str {
        "NameUnreachable"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let address = Url::parse(context.request().uri()).map(|url| url.origin().ascii_serialization());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address.unwrap_or_default();
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Err(error)) = context.output_or_error_mut() else { return Ok(()) };
        let Some(why) = error.as_connector_error().map(|error| job::in_words(error)) else { return Ok(()) };
        let address = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *error =
            OrchestratorError::connector(ConnectorError::other(Unreachable { address, why }.into(), None));
        Ok(())
    }
}
