//! The object store of a host, which may be opened only when it is first used.

use std::sync::Arc;

use aws_sdk_s3::Client;
use engine::ObjectError;
use tokio::sync::OnceCell;

/// A store of objects. Clones share it.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    client: OnceCell<Client>,
    open: Box<dyn Fn() -> Result<Client, String> + Send + Sync>,
}

impl Store {
    /// A store that is opened when it is first used. `open` returns its client, or says why it cannot be opened.
    pub fn lazy(open: impl Fn() -> Result<Client, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared { client: OnceCell::new(), open: Box::new(open) }))
    }

    /// The client of the store.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub(crate) async fn client(&self) -> Result<Client, ObjectError> {
        let opened = self.0.client.get_or_try_init(async || (self.0.open)()).await;
        opened.cloned().map_err(ObjectError)
    }
}

impl From<Client> for Store {
    fn from(client: Client) -> Self {
        Self::lazy(move || Ok(client.clone()))
    }
}
