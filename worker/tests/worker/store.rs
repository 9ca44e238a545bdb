//! The embedded S3 in a folder, which can be told to fail.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::retry::RetryConfig;
pub use s3::BUCKET;
use testing::{Action, Call, Fault, Operation};

/// How many of the next writes below `results/` fail.
#[derive(Clone, Default)]
pub struct Faults(pub Arc<AtomicU32>);

impl Faults {
    fn action(&self, call: &Call) -> Action {
        let writes = matches!(call.operation, Operation::Put | Operation::PutIf);
        let one_less = |left: u32| left.checked_sub(1);
        if writes
            && call.key.contains("/results/")
            && self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        {
            Action::Fail(Fault::Internal)
        } else {
            Action::Proceed
        }
    }
}

pub fn client(root: &Path, faults: Faults) -> aws_sdk_s3::Client {
    let config = s3::config(root).unwrap().build();
    testing::Faults::new(move |call| faults.action(call)).client(&config, RetryConfig::disabled())
}
