//! `[auth]`: how requests say who sends them. A job has one scheme.

mod read;

use std::time::Duration;

use url::Url;

use super::template::Template;

/// `[auth]`: one scheme.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `basic`: HTTP Basic (RFC 7617).
    Basic {
        /// The name of the user.
        user: Template,
        /// The password.
        password: Template,
    },
    /// `bearer`: `Authorization: Bearer …` (RFC 6750).
    Bearer(Template),
    /// `header`: an API key in a header.
    Header(ApiKey),
    /// `query`: an API key in the query of the URL.
    Query(ApiKey),
    /// `oauth2`: tokens of an authorization server (RFC 6749).
    OAuth2(Box<OAuth2>),
    /// `aws`: AWS Signature Version 4.
    Aws(Box<AwsAuth>),
}

/// A key with its name.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The header, in lower case, or the parameter of the query.
    pub name: String,
    /// Its value.
    pub value: Template,
}

/// OAuth 2.0: client credentials, or a refresh token where there is one.
#[derive(Debug, Clone)]
pub struct OAuth2 {
    /// `token_url`: https, or a host of `[request] allow`.
    pub token_url: Url,
    /// `client_id`
    pub client_id: Template,
    /// `client_secret`
    pub client_secret: Option<Template>,
    /// `refresh_token`: the grant is then `refresh_token`, else `client_credentials`.
    pub refresh_token: Option<Template>,
    /// `scope`
    pub scope: Option<String>,
    /// `audience`: a parameter of many servers.
    pub audience: Option<String>,
    /// `client_in`: where the client's id and secret are.
    pub client_in: ClientIn,
    /// `timeout` of one request for a token; default 30 s.
    pub timeout: Duration,
}

/// Where a token request has the client's id and secret (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientIn {
    /// In `Authorization: Basic …`, which every server must support.
    #[default]
    Header,
    /// In the form.
    Body,
}

/// AWS Signature Version 4.
#[derive(Debug, Clone)]
pub struct AwsAuth {
    /// `service`: its name in signatures, such as `execute-api`.
    pub service: String,
    /// `region`: the Region in signatures.
    pub region: String,
    /// Where the credentials are.
    pub credentials: AwsCredentials,
}

/// Where AWS credentials are.
#[derive(Debug, Clone)]
pub enum AwsCredentials {
    /// In the environment, the files of profiles, or the machine's metadata service, as for other AWS tools.
    Default {
        /// `profile`: a profile of the files.
        profile: Option<String>,
        /// `role`: the ARN of a role that is assumed with them.
        role: Option<String>,
    },
    /// In secrets of the job.
    Keys(Box<AwsKeys>),
}

/// An access key of AWS.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// `access_key_id`
    pub id: Template,
    /// `secret_access_key`
    pub secret: Template,
    /// `session_token`
    pub session: Option<Template>,
}

impl Auth {
    /// The templates of the scheme, each with the path of its key.
    pub(super) fn placed_templates(&self) -> Vec<(Vec<&str>, &Template)> {
        let at = |scheme: &'static str, key: &'static str, template| (vec!["auth", scheme, key], template);
        match self {
            Self::Basic { user, password } => {
                vec![at("basic", "user", user), at("basic", "password", password)]
            }
            Self::Bearer(token) => vec![(vec!["auth", "bearer"], token)],
            Self::Header(key) => vec![at("header", "value", &key.value)],
            Self::Query(key) => vec![at("query", "value", &key.value)],
            Self::OAuth2(oauth2) => {
                let keys = [
                    ("client_id", Some(&oauth2.client_id)),
                    ("client_secret", oauth2.client_secret.as_ref()),
                    ("refresh_token", oauth2.refresh_token.as_ref()),
                ];
                keys.into_iter().filter_map(|(key, value)| Some(at("oauth2", key, value?))).collect()
            }
            Self::Aws(aws) => match &aws.credentials {
                AwsCredentials::Default { .. } => Vec::new(),
                AwsCredentials::Keys(keys) => {
                    let keys = [
                        ("access_key_id", Some(&keys.id)),
                        ("secret_access_key", Some(&keys.secret)),
                        ("session_token", keys.session.as_ref()),
                    ];
                    keys.into_iter().filter_map(|(key, value)| Some(at("aws", key, value?))).collect()
                }
            },
        }
    }

    /// The header that the scheme sets, in lower case.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Header(key) => Some(&key.name),
            Self::Query(_) => None,
            _ => Some("authorization"),
        }
    }

    /// The templates whose texts are a part of what a line asks for. A token or a signature is not: it
    /// differs from request to request.
    pub(super) fn identifying(&self) -> Vec<&Template> {
        match self {
            Self::OAuth2(_) | Self::Aws(_) => Vec::new(),
            _ => self.placed_templates().into_iter().map(|(_, template)| template).collect(),
        }
    }

    /// The name of the scheme in the job file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "basic",
            Self::Bearer(_) => "bearer",
            Self::Header(_) => "header",
            Self::Query(_) => "query",
            Self::OAuth2(_) => "oauth2",
            Self::Aws(_) => "aws",
        }
    }
}
