//! The function `postprocess`: builds its clients once, then serves calls.

use std::sync::Arc;

use job::Environment;
use postprocess::{Context, Settings, postprocess};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    let aws = lambda::aws().await;
    let context = Context {
        s3: lambda::s3(&aws),
        // The function has 1,769 MB. A request to S3 takes tens of milliseconds, however little it reads.
        settings: Settings {
            environment: Environment::Aws,
            memory: 512 << 20,
            whole_batch: 64 << 20,
            piece: 1 << 20,
        },
        stop: CancellationToken::new(),
        pause: CancellationToken::new(),
        progress: None,
        now: Arc::new(lambda::now),
    };
    lambda::serve(async |request, call| {
        postprocess(&Context { pause: call.pause, ..context.clone() }, request).await
    })
    .await
}
