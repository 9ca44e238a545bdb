//! A proxy of the environment that a job does not use.

use job::Job;

/// Says that the environment names a proxy, if the job does not say whether it is used.
pub fn unused_proxy(job: &Job) -> Option<String> {
    if job.request.proxy.is_some() {
        return None;
    }
    let schemes: &[&str] = match job.request.url.source().to_ascii_lowercase() {
        url if url.starts_with("https:") => &["https"],
        url if url.starts_with("http:") => &["http"],
        _ => &["https", "http"],
    };
    // Where the line decides the host, any host may be meant.
    let host = job.request.fixed_host.as_deref().unwrap_or("host.invalid");
    let proxy =
        schemes.iter().find_map(|scheme| worker::proxy_of_environment(&format!("{scheme}://{host}/")))?;
    Some(format!(
        "the environment names the proxy {proxy}, which is not used: write [request] proxy = \"env\" to go through it"
    ))
}
