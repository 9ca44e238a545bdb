//! Bodies that are forms of several parts, and bodies from files.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use toml::Spanned;

use super::JobError;
use super::check::File;
use super::syntax::RequestSyntax;
use super::template::{Place, Template};

/// `[request] body_file` or `multipart`.
#[derive(Debug, Clone)]
pub enum Upload {
    /// `body_file`: the name of a file in the job's folder.
    File(Template),
    /// `multipart`: the parts of a form (RFC 7578), in the order of the job file.
    Multipart(Vec<Part>),
}

/// A part of a form.
#[derive(Debug, Clone)]
pub struct Part {
    /// The name of the field.
    pub name: String,
    /// Its value.
    pub value: PartValue,
}

/// The value of a field.
#[derive(Debug, Clone)]
pub enum PartValue {
    /// A text.
    Text(Template),
    /// `file`: the name of a file in the job's folder, and `type`, its media type.
    File(Template, Option<String>),
}

/// A part as it is written: a template, or a table.
#[derive(Debug, Clone)]
pub(super) enum PartSyntax {
    Text(String),
    File(FilePartSyntax),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePartSyntax {
    file: String,
    #[serde(rename = "type")]
    media_type: Option<String>,
}

impl Upload {
    /// The templates, each with the path of its key.
    pub(super) fn placed_templates(&self) -> Vec<(Vec<&str>, &Template)> {
        match self {
            Self::File(name) => vec![(vec!["request", "body_file"], name)],
            Self::Multipart(parts) => parts
                .iter()
                .map(|part| {
                    let (PartValue::Text(value) | PartValue::File(value, _)) = &part.value;
                    (vec!["request", "multipart", &*part.name], value)
                })
                .collect(),
        }
    }

    /// The texts and templates that say what is sent.
    pub(super) fn identifying(&self) -> Vec<(&str, &Template)> {
        let parts = self.placed_templates();
        parts.into_iter().map(|(path, template)| (path[path.len() - 1], template)).collect()
    }

    fn has_files(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Multipart(parts) => parts.iter().any(|part| matches!(part.value, PartValue::File(..))),
        }
    }
}

impl File<'_> {
    /// `files` and the body that is made of parts or of a file.
    pub(super) fn upload(
        &self,
        syntax: &RequestSyntax,
    ) -> Result<(Option<PathBuf>, Option<Upload>), JobError> {
        let mut given = [
            ("body", syntax.body.as_ref().map(Spanned::span)),
            ("body_file", syntax.body_file.as_ref().map(Spanned::span)),
            ("multipart", syntax.multipart.as_ref().map(Spanned::span)),
        ]
        .into_iter()
        .filter_map(|(key, span)| Some((key, span?)));
        if let (Some((first, _)), Some((second, span))) = (given.next(), given.next()) {
            return Err(self.error(&span, format!("a request has one body: leave {first} or {second} out")));
        }
        let upload = if let Some(name) = &syntax.body_file {
            Some(Upload::File(self.template(name, Place::Text)?))
        } else if let Some(parts) = &syntax.multipart {
            let content_type =
                syntax.headers.0.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            if let Some((_, value)) = content_type {
                let message = "multipart sets the header content-type itself: leave it out";
                return Err(self.error(&value.span(), message));
            }
            let parts = &parts.get_ref().0;
            if parts.is_empty() {
                let message = "the form has no part: write for example { title = \"{{ title }}\" }";
                return Err(self.error(&syntax.multipart.as_ref().map_or(0..0, Spanned::span), message));
            }
            Some(Upload::Multipart(
                parts.iter().map(|(name, part)| self.part(name, part)).collect::<Result<_, _>>()?,
            ))
        } else {
            None
        };
        let has_files = upload.as_ref().is_some_and(Upload::has_files);
        let files = match &syntax.files {
            Some(folder) if has_files => Some(self.value(folder, |text| folder_of(text))?),
            Some(folder) => {
                let message = "files is the folder of body_file and of the files of multipart, and there is none of them";
                return Err(self.error(&folder.span(), message));
            }
            None if has_files => {
                let span = syntax.body_file.as_ref().map(Spanned::span);
                let span = span.or_else(|| syntax.multipart.as_ref().map(Spanned::span)).unwrap_or(0..0);
                return Err(self.error(
                    &span,
                    "name the one folder that files may come from: [request] files = \"photos\"",
                ));
            }
            None => None,
        };
        Ok((files, upload))
    }

    fn part(&self, name: &str, part: &Spanned<PartSyntax>) -> Result<Part, JobError> {
        let template = |text: &str| self.template(&Spanned::new(part.span(), text.to_owned()), Place::Text);
        let value = match part.get_ref() {
            PartSyntax::Text(text) => PartValue::Text(template(text)?),
            PartSyntax::File(FilePartSyntax { file, media_type }) => {
                if let Some(wrong) = media_type.as_ref().filter(|text| !is_media_type(text)) {
                    let message = format!("{wrong:?} is not a media type: write for example \"image/jpeg\"");
                    return Err(self.error(&part.span(), message));
                }
                PartValue::File(template(file)?, media_type.clone())
            }
        };
        Ok(Part { name: name.to_owned(), value })
    }
}

fn folder_of(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the folder has no name".to_owned()) } else { Ok(text.into()) }
}

fn is_media_type(text: &str) -> bool {
    let plain =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    text.split_once('/').is_some_and(|(kind, subtype)| plain(kind) && plain(subtype))
}

/// The path of a file below the job's folder: plain names only.
///
/// # Errors
/// In words, when the name could lead out of the folder.
pub fn name_below(name: &str) -> Result<&Path, String> {
    let path = Path::new(name);
    let is_plain = !name.is_empty()
        && !name.contains(['\0', '\\'])
        && !name.ends_with('/')
        && path.components().all(|part| matches!(part, Component::Normal(_)));
    // `components` leaves out a dot within the path.
    if is_plain && !name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Ok(path)
    } else {
        Err(format!("{name:?} is not the name of a file below [request] files"))
    }
}

impl<'de> Deserialize<'de> for PartSyntax {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;
        impl<'de> Visitor<'de> for PartVisitor {
            type Value = PartSyntax;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a table with file")
            }
            fn visit_str<E>(self, text: &str) -> Result<PartSyntax, E> {
                Ok(PartSyntax::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PartSyntax, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(PartSyntax::File)
            }
        }
        deserializer.deserialize_any(PartVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::name_below;

    #[test]
    fn names_do_not_lead_out_of_the_folder() {
        for good in ["a.jpg", "2026/a.jpg", "ü b.jpg", "..a", "a..b/c"] {
            assert!(name_below(good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "../a", "a/../b", "/etc/passwd", "a//b", "a/", "./a", "a/./b", "a\\..\\b", "a\0b"]
        {
            assert!(name_below(bad).is_err(), "{bad}");
        }
    }
}
