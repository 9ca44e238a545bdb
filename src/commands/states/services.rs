//! The services that the arguments name, and the host that uses them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use aws_sdk_s3::Client;
use engine::Machine;
use states::api::{self, Workers};
use states::services::{
    Activities, Endpoints, Exchange, Executions, Functions, Http, Lambda, Mocks, S3, Unbound, s3_client,
};
use states::{Definition, Host, Store, Values};
use tokio_util::task::AbortOnDropHandle;

use crate::args;
use crate::exit::CliError;
use crate::local::StateDir;

/// The mocks that the arguments name.
pub(super) fn mocks(args: &args::states::Services) -> Result<Option<Mocks>, CliError> {
    Ok(args.mocks.as_deref().map(|path| Mocks::read(path, args.case.as_deref())).transpose()?)
}

/// The host, and the objects that must live as long as it is used.
pub(super) struct Services {
    pub(super) host: Host,
    /// The last HTTP task's request and response.
    pub(super) exchange: Exchange,
    _server: Option<AbortOnDropHandle<()>>,
    /// The embedded S3, unless another store replaces it.
    embedded: Option<Arc<EmbeddedStore>>,
}

/// The embedded S3, which is opened when it is first used.
struct EmbeddedStore {
    folder: PathBuf,
    opened: OnceLock<StateDir>,
}

impl EmbeddedStore {
    fn client(&self) -> Result<Client, CliError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.s3().clone());
        }
        let opened = StateDir::open_objects(&self.folder, "states")?;
        Ok(self.opened.get_or_init(|| opened).s3().clone())
    }
}

impl Services {
    /// Creates the services, and serves the API if a port is given.
    pub(super) async fn open(
        args: &args::states::Services,
        definition: &Definition,
        values: &Values,
        mocks: Option<Mocks>,
    ) -> Result<Self, CliError> {
        let mut endpoints = Endpoints::default();
        args.endpoint.iter().try_for_each(|endpoint| endpoints.add(endpoint))?;
        let (mut executions, mut unbound) = (Executions::default(), Unbound::default());
        unbound.add(definition);
        for machine in &args.machine {
            let (name, path) = machine
                .split_once('=')
                .ok_or_else(|| CliError::new(format!("--machine {machine:?} is not NAME=FILE")))?;
            let child = Definition::read(path.as_ref(), values)?;
            executions.add(name, child.compile()?);
            unbound.add(&child);
        }
        let (embedded, store) = match endpoints.s3() {
            Some(url) => (None, Store::from(s3_client(url).await)),
            None => {
                let embedded =
                    Arc::new(EmbeddedStore { folder: args.store.clone(), opened: OnceLock::new() });
                let lazy = embedded.clone();
                let store = Store::lazy(move || lazy.client().map_err(|error| error.to_string()));
                (Some(embedded), store)
            }
        };
        let (activities, tokens) = (Activities::default(), engine::TaskTokens::default());
        let server = match args.port {
            Some(port) => {
                let router = api::router(Workers::new(activities.clone(), tokens.clone()));
                let server = net::loopback::serve(port, router).await;
                Some(server.map_err(|error| {
                    CliError::new(format!("cannot serve the API: {error}; --port takes another port"))
                })?)
            }
            None => None,
        };
        let lambda = Lambda(args.functions.as_deref().map(Functions::at).transpose()?);
        let http = Http::new(&args.allow);
        let exchange = http.exchange().clone();
        let mut services: Vec<Arc<dyn states::Service>> = Vec::new();
        if let Some(mocks) = mocks {
            services.push(Arc::new(mocks));
        }
        services.extend([
            Arc::new(unbound) as Arc<dyn states::Service>,
            Arc::new(activities),
            Arc::new(lambda),
            Arc::new(http),
            Arc::new(executions),
            Arc::new(S3(store.clone())),
            Arc::new(endpoints),
        ]);
        let host = Host::new(store, services).with_tokens(tokens, server.is_some());
        Ok(Self { host, exchange, _server: server, embedded })
    }

    /// Opens the embedded S3 if the machine needs it, so that an error comes before the first state.
    pub(super) fn open_store_for(&self, machine: &Machine) -> Result<(), CliError> {
        match &self.embedded {
            Some(embedded) if self.host.uses_store(machine) => embedded.client().map(drop),
            _ => Ok(()),
        }
    }
}
