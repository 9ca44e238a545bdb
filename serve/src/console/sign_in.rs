//! Signing in, by a link or a key, and signing out.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;

use super::{Shared, Who, assets};
use crate::api::ApiError;
use crate::keys::Key;

pub(super) fn router() -> Router<Shared> {
    Router::new().route("/sign-in", get(page).post(by_key)).route("/sign-out", post(out))
}

#[derive(Deserialize)]
struct Asked {
    link: Option<String>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Given {
    id: String,
    secret: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    assets: String,
    next: &'a str,
    problem: Option<&'a str>,
}

/// Shows the form. A link signs in at once.
async fn page(State(console): State<Shared>, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    let next = asked.next.as_deref();
    let Some(link) = &asked.link else { return form(StatusCode::OK, next, None) };
    match console.sessions.with_link(link).await {
        Ok(Some(key)) => begin(&console, key, &headers, next).await,
        Ok(None) => {
            let problem = "The link has been used, or is older than ten minutes. Make another one with: throughline serve link";
            form(StatusCode::FORBIDDEN, next, Some(problem))
        }
        Err(error) => unavailable(&error.into()),
    }
}

async fn by_key(State(console): State<Shared>, headers: HeaderMap, Form(given): Form<Given>) -> Response {
    let next = given.next.as_deref();
    match console.sessions.with_key(given.id.trim(), given.secret.trim()) {
        Some(key) => begin(&console, key, &headers, next).await,
        None => {
            let problem = "There is no such key, or it has the role “worker”, which is not for people.";
            form(StatusCode::FORBIDDEN, next, Some(problem))
        }
    }
}

async fn out(State(console): State<Shared>, headers: HeaderMap, who: Who) -> Response {
    if let Some(session) = who.session
        && let Err(error) = console.sessions.end(session).await
    {
        return unavailable(&error.into());
    }
    let gone = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", cookie_name(&headers));
    ([(header::SET_COOKIE, gone)], Redirect::to("/sign-in")).into_response()
}

async fn begin(console: &Shared, key: &Key, headers: &HeaderMap, next: Option<&str>) -> Response {
    let secret = match console.sessions.begin(key).await {
        Ok(secret) => secret,
        Err(error) => return unavailable(&error.into()),
    };
    // A proxy with TLS says so. A cookie that is marked without TLS only harms the one who asked for it.
    let tls = console.tls || headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let secure = if tls { "; Secure" } else { "" };
    let cookie = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}", cookie_name(headers));
    ([(header::SET_COOKIE, cookie)], Redirect::to(own(next))).into_response()
}

/// The path to go to, unless it would lead to another site.
fn own(next: Option<&str>) -> &str {
    let safe = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains('\\')
            && path.bytes().all(|byte| byte.is_ascii_graphic())
    };
    next.filter(safe).unwrap_or("/")
}

fn form(status: StatusCode, next: Option<&str>, problem: Option<&str>) -> Response {
    let page = Page { assets: assets::folder(), next: own(next), problem };
    (status, Html(page.render().unwrap_or_default())).into_response()
}

fn unavailable(error: &ApiError) -> Response {
    (error.status, error.message.clone()).into_response()
}

/// Leads a browser to the form, and after it to where it wanted to go.
pub(super) fn lead(uri: &Uri) -> Response {
    let next = uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    let query: String = form_urlencoded(next);
    Redirect::to(&format!("/sign-in?next={query}")).into_response()
}

fn form_urlencoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Cookies do not know ports, so the name has the port: two servers on one machine do not sign each other out.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let port: String = port.chars().filter(char::is_ascii_digit).collect();
    format!("throughline-session{port}")
}

/// The secret of the session in the cookies of a request.
pub(super) fn cookie(headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(headers);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_never_leads_to_another_site() {
        assert_eq!(own(Some("/inbox?a=b")), "/inbox?a=b");
        for next in
            ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb: c", "", "inbox", "/ä"]
        {
            assert_eq!(own(Some(next)), "/", "{next:?}");
        }
    }
}
