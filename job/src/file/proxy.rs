//! `[request] proxy`: the way that connections take.

use toml::Spanned;
use url::Url;

use super::JobError;
use super::check::File;
use super::syntax::RequestSyntax;
use super::template::{Place, Template};

/// `proxy`: where it is written.
#[derive(Debug, Clone)]
pub enum Proxy {
    /// `"env"`: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` decide for each host.
    Environment,
    /// The URL of a proxy. It names no column, and its password is a secret.
    Url(Template),
}

impl Proxy {
    /// The URL's template.
    pub(super) fn template(&self) -> Option<&Template> {
        match self {
            Self::Environment => None,
            Self::Url(template) => Some(template),
        }
    }
}

impl File<'_> {
    pub(super) fn proxy_resolves(&self, syntax: &RequestSyntax) -> Result<bool, JobError> {
        match (&syntax.proxy_resolves, &syntax.proxy) {
            (Some(written), None) => {
                Err(self
                    .error(&written.span(), "proxy_resolves is about a proxy, and there is none: add proxy"))
            }
            (written, _) => Ok(written.as_ref().is_some_and(|written| *written.get_ref())),
        }
    }

    pub(super) fn proxy(&self, written: Option<&Spanned<String>>) -> Result<Option<Proxy>, JobError> {
        let Some(written) = written else { return Ok(None) };
        if written.get_ref() == "env" {
            return Ok(Some(Proxy::Environment));
        }
        let template = self.without_columns_in(written, Place::Url)?;
        self.value(written, |text| check(text).map(drop))?;
        Ok(Some(Proxy::Url(template)))
    }
}

fn check(text: &str) -> Result<Url, String> {
    let example = "write for example \"http://proxy.example.com:3128\", or \"env\"";
    // What a secret stands for may be any text; a letter stands for it here.
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((_, after)) = after.split_once("}}") else { break };
        plain.extend([before, "x"]);
        rest = after;
    }
    plain.push_str(rest);
    let url = Url::parse(&plain).map_err(|error| format!("{text:?} is not a proxy: {error}: {example}"))?;
    if url.scheme() != "http" {
        return Err(format!(
            "{text:?} is not a proxy that throughline can use: it connects to proxies over http only; {example}"
        ));
    }
    if url.host_str().is_none_or(str::is_empty) || !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(format!("{text:?} is not a proxy: a proxy is a host and a port; {example}"));
    }
    let user = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
    if password.is_some_and(|password| !password.contains("{{")) {
        return Err(
            "the password of a proxy is a secret: write {{ secret.PROXY_PASSWORD }} in its place".to_owned()
        );
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_proxy_is_a_host_and_a_port_and_its_password_a_secret() {
        for good in [
            "http://proxy.example.com:3128",
            "http://proxy.example.com/",
            "http://me@proxy.example.com",
            "http://me:{{ secret.P }}@proxy.example.com:3128",
            "http://[::1]:3128",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for (bad, what) in [
            ("proxy:3128", "over http only"),
            ("https://proxy", "over http only"),
            ("socks5://proxy", "over http only"),
            ("http://proxy/path", "a host and a port"),
            ("http://me:hunter2@proxy", "is a secret"),
            ("", "not a proxy"),
        ] {
            let error = check(bad).expect_err(bad);
            assert!(error.contains(what), "{bad}: {error}");
        }
    }
}
