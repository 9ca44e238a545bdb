//! The services that the arguments name, and the host that uses them.

use std::sync::Arc;

use states::Host;
use states::api::{self, Workers};
use states::services::{
    Activities, Endpoints, Exchange, Executions, Functions, Http, Lambda, Mocks, S3, s3_client,
};
use tokio_util::task::AbortOnDropHandle;

use crate::args;
use crate::exit::CliError;
use crate::local::StateDir;

/// The host, and the objects that must live as long as it is used.
pub(super) struct Services {
    pub(super) host: Host,
    /// The last HTTP task's request and response.
    pub(super) exchange: Exchange,
    _server: Option<AbortOnDropHandle<()>>,
    _store: Option<StateDir>,
}

impl Services {
    /// Opens the store, creates the services, and serves the API if a port is given.
    pub(super) async fn open(args: &args::states::Services) -> Result<Self, CliError> {
        let mut endpoints = Endpoints::default();
        args.endpoint.iter().try_for_each(|endpoint| endpoints.add(endpoint))?;
        let mut executions = Executions::default();
        for machine in &args.machine {
            let (name, path) = machine
                .split_once('=')
                .ok_or_else(|| CliError::new(format!("--machine {machine:?} is not NAME=FILE")))?;
            executions.add(name, path.as_ref())?;
        }
        let (store, s3) = match endpoints.s3() {
            Some(url) => (None, s3_client(url).await),
            None => {
                let store = StateDir::open(&args.store, "states")?;
                let s3 = store.s3().clone();
                (Some(store), s3)
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
        let mocks = args.mocks.as_deref().map(|path| Mocks::read(path, args.case.as_deref())).transpose()?;
        let mut services: Vec<Arc<dyn states::Service>> = Vec::new();
        if let Some(mocks) = mocks {
            services.push(Arc::new(mocks));
        }
        services.extend([
            Arc::new(activities) as Arc<dyn states::Service>,
            Arc::new(lambda),
            Arc::new(http),
            Arc::new(executions),
            Arc::new(S3(s3.clone())),
            Arc::new(endpoints),
        ]);
        let host = Host::new(s3, services).with_tokens(tokens, server.is_some());
        Ok(Self { host, exchange, _server: server, _store: store })
    }
}
