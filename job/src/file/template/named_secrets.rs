//! A template's text with the names of its secrets in place of their values: what the identity of a request
//! is made of.

use std::borrow::Cow;
use std::sync::Arc;

use super::Template;
use crate::file::Row;
use crate::file::secrets::{Secret, Secrets};

/// How a template is rendered without the values of its secrets.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    /// For each secret a text that no job file and no line is likely to have.
    markers: Arc<Secrets>,
    /// The text of a template that names secrets and nothing of the line.
    constant: Option<Arc<str>>,
}

impl Named {
    pub(super) fn new(secrets: &[String]) -> Self {
        let markers = secrets.iter().map(|name| (name.clone(), Secret::new(format!("\0{name}\0"))));
        Self { markers: Arc::new(markers.collect()), constant: None }
    }
}

impl Template {
    /// Renders the template for one line, with names in place of the values of secrets and of drawn ones. A
    /// template that fails without the values counts as its source with the whole line.
    ///
    /// # Errors
    /// As [`Self::render`], where the template names no secret and draws nothing.
    pub(in crate::file) fn render_named(&self, row: &Arc<Row>) -> Result<Cow<'_, str>, String> {
        if self.literal {
            return Ok(Cow::Borrowed(&self.source));
        }
        if let Some(constant) = &self.named.constant {
            return Ok(Cow::Borrowed(constant));
        }
        let named;
        let row = if self.draws() {
            named = row.named();
            &named
        } else {
            row
        };
        match self.render(row, &self.named.markers) {
            Err(_) if !self.secrets.is_empty() || self.draws() => {
                Ok(Cow::Owned(format!("\0{}\0{}", self.source, row.source())))
            }
            rendered => rendered.map(Cow::Owned),
        }
    }

    /// This template, which names no column.
    pub(super) fn with_constant_name(mut self) -> Self {
        let constant = (!self.secrets.is_empty()).then(|| self.render_constant(&self.named.markers));
        self.named.constant = constant.and_then(Result::ok).map(Arc::from);
        self
    }
}
