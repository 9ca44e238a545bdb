//! The syntax of a job file: names, types and places. Values are checked later.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::error::JobError;
use super::follow::{PagesSyntax, StepSyntax};
use super::limits::read::RatesSyntax;
use super::packing::PackingSyntax;
use super::statuses::StatusSyntax;
use super::upload::PartSyntax;
use super::words;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobSyntax {
    #[serde(default)]
    pub(super) input: InputSyntax,
    pub(super) request: RequestSyntax,
    pub(super) batch: Option<PackingSyntax>,
    #[serde(default)]
    pub(super) then: Vec<Spanned<StepSyntax>>,
    pub(super) pages: Option<Spanned<PagesSyntax>>,
    #[serde(default)]
    pub(super) auth: AuthSyntax,
    #[serde(default)]
    pub(super) tls: TlsSyntax,
    #[serde(default)]
    pub(super) response: ResponseSyntax,
    #[serde(default)]
    pub(super) output: OutputSyntax,
    #[serde(default)]
    pub(super) limits: LimitsSyntax,
    #[serde(default)]
    pub(super) retry: RetrySyntax,
    #[serde(default)]
    pub(super) failure: FailureSyntax,
    #[serde(default)]
    pub(super) run: RunSyntax,
    #[serde(default)]
    pub(super) vars: Entries<String>,
    #[serde(default)]
    pub(super) secrets: Entries<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputSyntax {
    pub(super) format: Option<Spanned<String>>,
    pub(super) compression: Option<Spanned<String>>,
    pub(super) header: Option<bool>,
    pub(super) delimiter: Option<Spanned<String>>,
    pub(super) quote: Option<Spanned<String>>,
    pub(super) escape: Option<Spanned<String>>,
    pub(super) encoding: Option<Spanned<String>>,
    pub(super) skip: Option<Spanned<i64>>,
    pub(super) blank: Option<Spanned<String>>,
    #[serde(rename = "where")]
    pub(super) wanted: Option<Spanned<String>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestSyntax {
    pub(super) method: Option<Spanned<String>>,
    pub(super) url: Spanned<String>,
    #[serde(default)]
    pub(super) headers: Entries<String>,
    pub(super) body: Option<Spanned<String>>,
    pub(super) body_file: Option<Spanned<String>>,
    pub(super) multipart: Option<Spanned<Entries<PartSyntax>>>,
    pub(super) files: Option<Spanned<String>>,
    pub(super) compress: Option<Spanned<String>>,
    pub(super) http: Option<Spanned<String>>,
    pub(super) connect_timeout: Option<Spanned<String>>,
    pub(super) read_timeout: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) allow: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) secret_hosts: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) idempotent: bool,
    #[serde(default)]
    pub(super) cookies: bool,
    pub(super) max_response: Option<Spanned<String>>,
    pub(super) redirects: Option<Spanned<i64>>,
    pub(super) proxy: Option<Spanned<String>>,
    pub(super) proxy_resolves: Option<Spanned<bool>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthSyntax {
    pub(super) basic: Option<Spanned<BasicSyntax>>,
    pub(super) bearer: Option<Spanned<String>>,
    pub(super) header: Option<Spanned<KeySyntax>>,
    pub(super) query: Option<Spanned<KeySyntax>>,
    pub(super) oauth2: Option<Spanned<OAuth2Syntax>>,
    pub(super) aws: Option<Spanned<AwsSyntax>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BasicSyntax {
    pub(super) user: Spanned<String>,
    pub(super) password: Spanned<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySyntax {
    pub(super) name: Spanned<String>,
    pub(super) value: Spanned<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OAuth2Syntax {
    pub(super) token_url: Spanned<String>,
    pub(super) client_id: Spanned<String>,
    pub(super) client_secret: Option<Spanned<String>>,
    pub(super) refresh_token: Option<Spanned<String>>,
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) client_in: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AwsSyntax {
    pub(super) service: String,
    pub(super) region: String,
    pub(super) profile: Option<Spanned<String>>,
    pub(super) role: Option<Spanned<String>>,
    pub(super) access_key_id: Option<Spanned<String>>,
    pub(super) secret_access_key: Option<Spanned<String>>,
    pub(super) session_token: Option<Spanned<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsSyntax {
    pub(super) certificate: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) ca: Option<Spanned<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseSyntax {
    pub(super) success: Option<Vec<Spanned<StatusSyntax>>>,
    pub(super) fail_if: Option<Spanned<String>>,
    pub(super) retry_if: Option<Spanned<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputSyntax {
    pub(super) format: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) columns: Entries<String>,
    #[serde(default)]
    pub(super) failed_columns: bool,
    #[serde(default)]
    pub(super) drop: Vec<Spanned<String>>,
    pub(super) bom: Option<Spanned<bool>>,
    pub(super) guard_formulas: Option<Spanned<bool>>,
}

#[derive(Debug, Default)]
pub(super) struct LimitsSyntax {
    pub(super) by: Option<Spanned<String>>,
    pub(super) max_requests: Option<Spanned<i64>>,
    pub(super) max_cost: Option<Spanned<i64>>,
    pub(super) limits: Vec<(String, Spanned<LimitSyntax>)>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitSyntax {
    pub(super) rate: Option<Spanned<RatesSyntax>>,
    pub(super) in_flight: Option<Spanned<i64>>,
    pub(super) cost: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) learn: bool,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetrySyntax {
    pub(super) attempts: Option<Spanned<i64>>,
    pub(super) max_wait: Option<Spanned<String>>,
    pub(super) statuses: Option<Vec<Spanned<StatusSyntax>>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailureSyntax {
    pub(super) tolerated: Option<Spanned<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunSyntax {
    pub(super) again: Option<Spanned<String>>,
    pub(super) keep: Option<Spanned<String>>,
}

/// A table whose keys the user chooses, in the order of the file.
#[derive(Debug)]
pub(super) struct Entries<V>(pub(super) Vec<(String, Spanned<V>)>);

pub(super) fn read(text: &str, file: &str) -> Result<JobSyntax, JobError> {
    toml::from_str(text).map_err(|error| {
        let (span, message) = words::explain(text, error.span().unwrap_or(0..0), error.message().trim());
        JobError::at(text, file, &span, message)
    })
}

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
            type Value = Entries<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for LimitsSyntax {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LimitsVisitor;
        impl<'de> Visitor<'de> for LimitsVisitor {
            type Value = LimitsSyntax;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of limits by provider")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut syntax = LimitsSyntax::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "by" {
                        syntax.by = Some(map.next_value()?);
                    } else if key == "max_requests" {
                        syntax.max_requests = Some(map.next_value()?);
                    } else if key == "max_cost" {
                        syntax.max_cost = Some(map.next_value()?);
                    } else {
                        syntax.limits.push((key, map.next_value()?));
                    }
                }
                Ok(syntax)
            }
        }
        deserializer.deserialize_map(LimitsVisitor)
    }
}
