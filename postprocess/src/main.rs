//! The function `postprocess`: builds its clients once, then serves calls.

use std::sync::Arc;

use job::keys;
use job::run::{PostprocessRequest, PostprocessResponse};
use postprocess::{Context, Settings, postprocess};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    let aws = lambda::aws().await;
    let context = Context {
        s3: lambda::s3(&aws),
        settings: Settings::FUNCTION,
        stop: CancellationToken::new(),
        pause: CancellationToken::new(),
        progress: None,
        now: Arc::new(lambda::now),
    };
    lambda::serve(async |request: PostprocessRequest, call| {
        let key = keys::input(&request.run.job, &request.run.file);
        let mut response = postprocess(&Context { pause: call.pause, ..context.clone() }, request).await;
        if let Ok(PostprocessResponse::Failed { cause, .. }) = &mut response {
            *cause = format!("{key}: {cause}");
        }
        response.map_err(|error| error.of_upload(&key))
    })
    .await
}
