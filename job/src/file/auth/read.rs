//! Reads `[auth]` of a job file.

use std::time::Duration;

use toml::Spanned;

use super::{ApiKey, Auth, AwsAuth, AwsCredentials, AwsKeys, ClientIn, OAuth2};
use crate::file::JobError;
use crate::file::check::File;
use crate::file::hosts::is_allowed;
use crate::file::syntax::{AuthSyntax, AwsSyntax, BasicSyntax, KeySyntax, OAuth2Syntax};
use crate::file::template::{Place, Template};
use crate::file::units::parse_duration;

const DEFAULT_TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

impl File<'_> {
    /// `allow` is that of `[request]`.
    pub(in crate::file) fn auth(
        &self,
        syntax: AuthSyntax,
        allow: &[String],
    ) -> Result<Option<Auth>, JobError> {
        let AuthSyntax { basic, bearer, header, query, oauth2, aws } = syntax;
        let places = [
            ("basic", basic.as_ref().map(Spanned::span)),
            ("bearer", bearer.as_ref().map(Spanned::span)),
            ("header", header.as_ref().map(Spanned::span)),
            ("query", query.as_ref().map(Spanned::span)),
            ("oauth2", oauth2.as_ref().map(Spanned::span)),
            ("aws", aws.as_ref().map(Spanned::span)),
        ];
        let mut given: Vec<_> = places.into_iter().filter_map(|(name, span)| Some((name, span?))).collect();
        given.sort_by_key(|(_, span)| span.start);
        if let [(first, at), (second, span), ..] = given.as_slice() {
            let line = self.line_of(at.start);
            let message = format!(
                "{second} is a second scheme: [auth] has {first} already, in line {line}, and a request has one: leave one of them out"
            );
            return Err(self.error(span, message));
        }
        Ok(if let Some(basic) = basic {
            let BasicSyntax { user, password } = basic.get_ref();
            let [user, password] = [user, password].map(|text| self.template(text, Place::Text));
            Some(Auth::Basic { user: user?, password: password? })
        } else if let Some(token) = bearer {
            Some(Auth::Bearer(self.template(&token, Place::Header)?))
        } else if let Some(key) = header {
            let KeySyntax { name, value } = key.get_ref();
            let name = self.value(name, |name| header_name(name))?;
            Some(Auth::Header(ApiKey { name, value: self.template(value, Place::Header)? }))
        } else if let Some(key) = query {
            let KeySyntax { name, value } = key.get_ref();
            let name = self.value(name, |name| {
                if name.is_empty() { Err("the parameter has no name".to_owned()) } else { Ok(name.clone()) }
            })?;
            Some(Auth::Query(ApiKey { name, value: self.template(value, Place::Text)? }))
        } else if let Some(oauth2) = oauth2 {
            Some(Auth::OAuth2(Box::new(self.oauth2(oauth2.get_ref(), allow)?)))
        } else if let Some(aws) = aws {
            Some(Auth::Aws(Box::new(self.aws(&aws)?)))
        } else {
            None
        })
    }

    fn oauth2(&self, syntax: &OAuth2Syntax, allow: &[String]) -> Result<OAuth2, JobError> {
        let secret =
            |text: &Option<Spanned<String>>| text.as_ref().map(|text| self.without_columns(text)).transpose();
        let token_url = self.value(&syntax.token_url, |text| {
            let url = crate::absolute_url(text).map_err(|why| format!("{text:?} is not a URL: {why}"))?;
            if url.scheme() != "https" && !is_allowed(allow, &url) {
                return Err(
                    "the client's secret goes to token_url, so it is https, or a host of [request] allow"
                        .to_owned(),
                );
            }
            Ok(url)
        })?;
        Ok(OAuth2 {
            token_url,
            client_id: self.without_columns(&syntax.client_id)?,
            client_secret: secret(&syntax.client_secret)?,
            refresh_token: secret(&syntax.refresh_token)?,
            scope: syntax.scope.clone(),
            audience: syntax.audience.clone(),
            client_in: self.optional(syntax.client_in.as_ref(), ClientIn::default(), |text| {
                match text.as_str() {
                    "header" => Ok(ClientIn::Header),
                    "body" => Ok(ClientIn::Body),
                    other => Err(format!(
                        "{other:?} does not say where the client is named: write \"header\" or \"body\""
                    )),
                }
            })?,
            timeout: self
                .optional(syntax.timeout.as_ref(), DEFAULT_TOKEN_TIMEOUT, |text| parse_duration(text))?,
        })
    }

    fn aws(&self, syntax: &Spanned<AwsSyntax>) -> Result<AwsAuth, JobError> {
        let span = syntax.span();
        let AwsSyntax { service, region, profile, role, access_key_id, secret_access_key, session_token } =
            syntax.get_ref();
        let credentials = match (access_key_id, secret_access_key) {
            (Some(id), Some(secret)) => {
                if let Some((key, at)) = [("profile", profile), ("role", role)]
                    .into_iter()
                    .find_map(|(key, value)| Some((key, value.as_ref()?.span())))
                {
                    let message =
                        format!("{key} has other credentials than access_key_id: leave one of them out");
                    return Err(self.error(&at, message));
                }
                let session = session_token.as_ref().map(|text| self.without_columns(text)).transpose()?;
                AwsCredentials::Keys(Box::new(AwsKeys {
                    id: self.without_columns(id)?,
                    secret: self.without_columns(secret)?,
                    session,
                }))
            }
            (None, None) if session_token.is_none() => AwsCredentials::Default {
                profile: profile.as_ref().map(|profile| profile.get_ref().clone()),
                role: role.as_ref().map(|role| role.get_ref().clone()),
            },
            _ => {
                let message = "access_key_id and secret_access_key belong together: give both, or neither of them and no session_token";
                return Err(self.error(&span, message));
            }
        };
        Ok(AwsAuth { service: service.clone(), region: region.clone(), credentials })
    }

    /// A template that names secrets and nothing of a line.
    pub(in crate::file) fn without_columns(&self, source: &Spanned<String>) -> Result<Template, JobError> {
        self.without_columns_in(source, Place::Text)
    }

    /// [`Self::without_columns`], for a place.
    pub(in crate::file) fn without_columns_in(
        &self,
        source: &Spanned<String>,
        place: Place,
    ) -> Result<Template, JobError> {
        let template = self.template(source, place)?;
        if !template.is_constant() {
            let message = "this is the same for all lines, so it cannot name a column: write a text or {{ secret.NAME }}";
            return Err(self.error(&source.span(), message));
        }
        Ok(template)
    }
}

fn header_name(name: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let lower = name.to_ascii_lowercase();
    let own = ["host", "content-length", "transfer-encoding", "connection"].contains(&lower.as_str());
    match !name.is_empty() && name.bytes().all(token) {
        true if own => Err(format!("the header {name:?} is set by the client itself")),
        true => Ok(lower),
        false => Err(format!("{name:?} is not a header name")),
    }
}
