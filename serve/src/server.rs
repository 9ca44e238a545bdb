//! The parts of a server, its two ports, and its end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Extension, Router};
use http::{HeaderName, HeaderValue, header};
use net::tls::Tls;
use s3::AccessKey;
use states::api::Workers;
use states::services::{Activities, Endpoints, Functions as LambdaFunctions, Http, Lambda, S3};
use states::{Host, Service};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api};
use crate::audit::Audit;
use crate::backup::Backup;
use crate::catalog::Catalog;
use crate::commands::CommandFunction;
use crate::console::{self, Console};
use crate::executions::Executions;
use crate::functions::Functions;
use crate::inbox::Inbox;
use crate::jobs::{JobPages, Jobs};
use crate::keys::Role;
use crate::notify::Notes;
use crate::scheduler::{self, Scheduler};
use crate::schedules::Schedules;
use crate::services::StepFunctions;
use crate::settings::TlsFiles;
use crate::sigv4::{self, SCHEDULER, Verifier};
use crate::store::{FORMAT, Store, StoreError};
use crate::triggers::Triggers;
use crate::{Error, Keys, Settings};

/// The folder of the store in the state folder.
const STORE: &str = ".serve/store";
/// The file that tells the format of the store before the store is opened.
const FORMAT_FILE: &str = ".serve/format";

/// A server whose store is open and whose ports are bound.
pub struct Server {
    listener: TcpListener,
    console_listener: TcpListener,
    ports: Arc<Ports>,
    console: Arc<Console>,
    store: Store,
    triggers: Triggers,
    objects: s3::Service,
    tls: Option<Arc<Tls>>,
    backup: Backup,
    stop: CancellationToken,
    resumed: usize,
}

/// The parts that respond to requests.
struct Ports {
    api: Arc<Api>,
    scheduler: Scheduler,
    verifier: Verifier,
    s3: s3::Server,
}

impl Server {
    /// Opens the store of a state folder, listens, and continues the executions that had not ended. `objects`
    /// is the embedded S3 of the folder.
    ///
    /// # Errors
    /// When the address is taken, a setting or a key is wrong, or the store cannot be opened. Nothing has been
    /// changed then, apart from new files in the folder.
    pub async fn open(
        folder: &Path,
        objects: s3::Service,
        settings: &Settings,
        jobs: Arc<dyn Jobs>,
        pages: Arc<dyn JobPages>,
    ) -> Result<Self, Error> {
        settings.check_addresses()?;
        let tls = tls(settings)?;
        check_format(folder)?;
        let keys = Keys::open(folder, &objects)?;
        let path = folder.join(STORE);
        s3::file::make_folder(&path).map_err(|error| Error::new(error.to_string()))?;
        let at = |error: StoreError| Error::at(&path, error);
        let store = Store::open(&path).map_err(at)?;
        let written = objects.write_file(&folder.join(FORMAT_FILE), format!("{FORMAT}\n").as_bytes());
        written.map_err(|error| Error::at(folder, error))?;
        let stop = CancellationToken::new();
        let catalog = Arc::new(Catalog::open(store.clone()).await.map_err(at)?);
        let place = settings.place.clone();
        let notes = Notes::new(store.clone(), settings)?;
        let executions = Executions::new(
            store.clone(),
            catalog.clone(),
            place.clone(),
            jobs.clone(),
            notes.clone(),
            stop.clone(),
        );
        let executions = executions.map_err(at)?;
        let (activities, tokens) = (Activities::default(), engine::TaskTokens::default());
        let own = StepFunctions::default();
        let services = services(settings, &objects, jobs.clone(), activities.clone(), own.clone())?;
        let (inbox, audit) = (
            Inbox::open(store.clone(), tokens.clone(), activities.clone(), notes.clone()).map_err(at)?,
            Audit::new(store.clone()),
        );
        let host = Host::new(s3::client_of(objects.clone()), services).with_tokens(tokens.clone(), true);
        let waiting = inbox.clone();
        let host = host.with_waiting(Arc::new(move |call| waiting.add(call)));
        executions.set_host(host);
        let workers = Workers::new(activities, tokens);
        let api = Arc::new(Api::new(
            place,
            catalog,
            executions.clone(),
            workers,
            audit,
            inbox.clone(),
            stop.clone(),
        ));
        own.set(&api);
        api.keep_machine_of_jobs(jobs.definition()).await.map_err(|error| Error::new(error.message))?;
        let listener = bind(settings.api, "--api").await?;
        let console_listener = bind(settings.console, "--console").await?;
        let resumed = executions.resume().map_err(at)?;
        let triggers = Triggers::new(store.clone(), settings, jobs, objects.clone(), stop.clone());
        let scheduler = Scheduler::new(store.clone(), settings.place.clone());
        let console = Console::open(
            api.clone(),
            inbox,
            stop.clone(),
            triggers.clone(),
            pages,
            scheduler.clone(),
            folder.to_owned(),
            store.clone(),
            keys.clone(),
            settings,
        );
        let console = console.map_err(at)?;
        triggers.resume(&api).await.map_err(at)?;
        objects.observe(Arc::new(triggers.clone()));
        let schedules = settings.schedules.clone();
        let schedules = Schedules {
            store: store.clone(),
            place: settings.place.clone(),
            triggers: triggers.clone(),
            schedules,
            scheduler: scheduler.clone(),
        };
        tokio::spawn(schedules.run(stop.clone()));
        tokio::spawn(notes.run(stop.clone()));
        tokio::spawn(settings.retention.clone().run(store.clone(), settings.place.clone(), stop.clone()));
        let s3_keys = keys.all().iter().filter(|key| key.role >= Role::Operator);
        let s3_keys = s3_keys.map(|key| AccessKey {
            id: key.id.clone(),
            secret: key.secret.clone(),
            region: settings.place.region.clone(),
        });
        let s3 = s3::Server::of_keys(objects.clone(), settings.place.region.clone(), s3_keys);
        let ports = Arc::new(Ports { api, scheduler, verifier: Verifier::new(keys), s3 });
        let backup = Backup {
            store: store.clone(),
            folder: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()),
        };
        Ok(Self {
            listener,
            console_listener,
            ports,
            console,
            store,
            triggers,
            objects,
            backup,
            tls,
            stop,
            resumed,
        })
    }

    /// Starts what uploads of these objects would have started, unless it has been started before. Returns the number
    /// of objects that start something.
    ///
    /// # Errors
    /// When an object cannot be read, or the store cannot be written.
    pub async fn trigger(&self, keys: impl IntoIterator<Item = String>) -> Result<usize, Error> {
        let mut number = 0;
        for key in keys {
            let found =
                self.objects.written(s3::BUCKET, &key).map_err(|error| Error::new(error.to_string()))?;
            if let Some(object) = found
                && self.triggers.uploaded(&object).await.map_err(|error| Error::new(error.to_string()))?
            {
                number += 1;
            }
        }
        Ok(number)
    }

    #[cfg(test)]
    pub(crate) fn console(&self) -> &Arc<Console> {
        &self.console
    }

    /// The number of executions that were continued.
    pub fn resumed(&self) -> usize {
        self.resumed
    }

    /// The address that the server listens at.
    ///
    /// # Errors
    /// When the system does not know it.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address of the console.
    ///
    /// # Errors
    /// When the system does not know it.
    pub fn console_address(&self) -> std::io::Result<SocketAddr> {
        self.console_listener.local_addr()
    }

    /// The path of the console that signs a browser in once, in the next ten minutes.
    pub fn sign_in_path(&self) -> String {
        self.console.sign_in_path()
    }

    /// Serves until `until` is ready, and then ends: requests that are under way are answered, and executions
    /// are interrupted; they go on with the next start.
    ///
    /// # Errors
    /// When the store cannot be written any more, for example because the disk is full.
    pub async fn run(self, until: impl Future<Output = ()>) -> Result<(), Error> {
        let router = Router::new().fallback(respond).with_state(self.ports.clone());
        let serving =
            tokio::spawn(net::server::serve_with(self.listener, router, self.tls.clone(), self.stop.clone()));
        let pages = console::router(&self.console).layer(Extension(self.backup.clone()));
        let showing = net::server::serve_with(self.console_listener, pages, self.tls, self.stop.clone());
        let showing = tokio::spawn(showing);
        let ended = tokio::select! {
            () = until => Ok(()),
            error = self.store.failure() => Err(Error::new(format!(
                "the store cannot be written: {error}. Nothing that was answered with success is lost; start the server again when the cause is gone"
            ))),
        };
        self.stop.cancel();
        for port in [serving, showing] {
            if let Err(error) = port.await {
                tracing::error!(%error, "a port failed");
            }
        }
        self.ports.api.executions.close().await;
        ended
    }
}

/// Checks what a start would refuse of the settings and of the folder, and changes nothing.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_settings(settings: &Settings) -> Result<(), Error> {
    settings.check_addresses()?;
    tls(settings)?;
    crate::notify::check(&settings.notify)?;
    endpoints(settings)?;
    Ok(())
}

/// Refuses a folder of a later version.
///
/// # Errors
/// When it has a format that this version does not know.
pub fn check_format(folder: &Path) -> Result<(), Error> {
    let Ok(text) = std::fs::read_to_string(folder.join(FORMAT_FILE)) else { return Ok(()) };
    match text.trim().parse() {
        Ok(format) if format > FORMAT => Err(Error::at(folder, StoreError::UnknownFormat(format))),
        _ => Ok(()),
    }
}

fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>, Error> {
    let files = settings.tls.as_ref();
    let opened = files.map(|TlsFiles { certificate, key }| Tls::open(certificate, key).map(Arc::new));
    opened.transpose().map_err(|error| Error::new(format!("[tls]: {error}")))
}

fn endpoints(settings: &Settings) -> Result<Endpoints, Error> {
    let mut endpoints = Endpoints::default();
    let added = settings.endpoints.iter().try_for_each(|endpoint| endpoints.add(endpoint));
    added.map_err(|error| Error::new(error.to_string()))?;
    Ok(endpoints)
}

async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener, Error> {
    let listener = net::server::bind(address).await;
    listener.map_err(|error| Error::new(format!("cannot listen at {error}; {option} takes another address")))
}

fn services(
    settings: &Settings,
    objects: &s3::Service,
    jobs: Arc<dyn Jobs>,
    activities: Activities,
    own: StepFunctions,
) -> Result<Vec<Arc<dyn Service>>, Error> {
    let wrong = |error: states::Error| Error::new(error.to_string());
    let endpoints = endpoints(settings)?;
    let lambda = settings.functions.url.as_deref().map(LambdaFunctions::at).transpose().map_err(wrong)?;
    let commands = settings.functions.commands.iter();
    let commands =
        commands.map(|(name, command)| (name.clone(), CommandFunction::new(command.clone()))).collect();
    Ok(vec![
        Arc::new(activities),
        Arc::new(Functions { place: settings.place.clone(), jobs, commands, lambda: Lambda(lambda) }),
        Arc::new(Http::new(&settings.allow)),
        Arc::new(own),
        Arc::new(S3(s3::client_of(objects.clone()).into())),
        Arc::new(endpoints),
    ])
}

async fn respond(State(ports): State<Arc<Ports>>, request: Request) -> Response {
    match api::respond(&ports.api, &ports.verifier, request).await {
        Ok(response) => response,
        Err(request) if sigv4::service_of(request.headers()) == Some(SCHEDULER) => {
            scheduler::respond(&ports.scheduler, &ports.verifier, ports.api.audit(), request).await
        }
        Err(request) => {
            let mut response = ports.s3.respond(request).await.map(Body::new);
            // An object may be a page that somebody uploaded: it must not run in the origin of this server.
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
            headers.insert(
                HeaderName::from_static("x-content-type-options"),
                HeaderValue::from_static("nosniff"),
            );
            response
        }
    }
}
