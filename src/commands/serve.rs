//! `throughline serve`: the Step Functions API, the store and the jobs of a state folder, for other programs on this
//! machine.

mod check;
mod log;
mod pages;

use std::sync::Arc;

use serve::{Keys, Server, Settings};

use crate::args::{Serve, ServeCommand};
use crate::exit::{CliError, Exit};
use crate::local::{ServerAddress, ServerJobs, StateDir};
use crate::signals::Signals;

pub(super) async fn serve(args: Serve) -> Result<Exit, CliError> {
    let wrong = |error: serve::Error| CliError::new(error.to_string());
    let mut settings =
        args.folder.config.as_deref().map(Settings::read).transpose().map_err(wrong)?.unwrap_or_default();
    if let Some(api) = &args.api {
        settings.api = serve::parse_address(api).map_err(wrong)?;
    }
    if let Some(console) = &args.console {
        settings.console = serve::parse_address(console).map_err(wrong)?;
    }
    settings.check_addresses().map_err(wrong)?;
    match args.command {
        Some(ServeCommand::Check) => return Ok(check::print(&args.folder.state, &settings)),
        Some(ServeCommand::Env) => return env(&args.folder.state, &settings),
        Some(ServeCommand::Link) => {
            println!("{}", serve::sign_in_link(&args.folder.state, &settings).map_err(wrong)?);
            return Ok(Exit::Succeeded);
        }
        None => {}
    }
    serve::check_settings(&settings).map_err(wrong)?;
    ServerJobs::check(&settings).map_err(CliError::new)?;
    serve::check_format(&args.folder.state).map_err(wrong)?;
    check::room(&args.folder.state).map_err(CliError::new)?;
    log::start(args.log);
    let mut signals = Signals::listen();
    let state = Arc::new(StateDir::open_server(&args.folder.state)?);
    let jobs = Arc::new(ServerJobs::new(state.clone(), &settings)?);
    let pages = Arc::new(pages::Pages::new(state.clone(), jobs.clone()));
    let server = Server::open(state.folder(), state.service().clone(), &settings, jobs.clone(), pages)
        .await
        .map_err(wrong)?;
    let unknown = |error: std::io::Error| CliError::new(error.to_string());
    let (address, console) = (server.address().map_err(unknown)?, server.console_address().map_err(unknown)?);
    println!(
        "Serving Step Functions and S3 at {}, from {}.",
        settings.url(address),
        state.folder().display()
    );
    let link = format!("{}{}", settings.url(console), server.sign_in_path());
    println!("The console, for the next ten minutes and once: {link}");
    state.announce(ServerAddress { url: settings.url(address), region: settings.place.region.clone() })?;
    if server.resumed() > 0 {
        println!("{} executions that had not ended go on.", server.resumed());
    }
    if args.trigger_existing {
        let started = server.trigger(jobs.inputs().await?).await.map_err(wrong)?;
        println!("{started} files in the input folders of jobs start a run, unless they did so before.");
    }
    println!("In another terminal: eval \"$(throughline serve env --state {})\"", state.folder().display());
    let mut full = None;
    let until = async {
        tokio::select! {
            () = signals.next() => {}
            () = jobs.watch(&settings.watches) => {}
            message = jobs.disk_full() => full = Some(message),
        }
    };
    server.run(until).await.map_err(|error| CliError::at(state.folder(), error))?;
    match full {
        Some(message) => Err(CliError::new(format!(
            "{message}. Nothing that was answered with success is lost; make room and start the server again"
        ))),
        None => Ok(Exit::Succeeded),
    }
}

/// Prints the variables in the syntax of a shell. Their values need no quotes: the key is made of letters and
/// digits, or has been checked to be.
fn env(folder: &std::path::Path, settings: &Settings) -> Result<Exit, CliError> {
    let keys = Keys::read(folder).map_err(|error| CliError::new(error.to_string()))?;
    let admin = keys.admin();
    for (name, value) in [
        ("AWS_ENDPOINT_URL", settings.url(settings.api)),
        ("AWS_ACCESS_KEY_ID", admin.id.clone()),
        ("AWS_SECRET_ACCESS_KEY", admin.secret.clone()),
        ("AWS_REGION", settings.place.region.clone()),
        ("AWS_DEFAULT_REGION", settings.place.region.clone()),
        // StartSyncExecution and TestState would be sent to sync-127.0.0.1.
        ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".to_owned()),
    ] {
        println!("export {name}={value}");
    }
    // A token of another account would be sent with the key.
    println!("unset AWS_SESSION_TOKEN AWS_PROFILE");
    Ok(Exit::Succeeded)
}
