//! Draws a definition as SVG. The states of a scope are arranged in layers, and a state that contains others is a
//! box around them. No edge runs behind a state or a label, and no text is cut.

mod calls;
mod conditions;
mod drawing;
mod errors;
mod layers;
mod layout;
mod order;
mod places;
mod scope;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod tracks;

use serde_json::Value;

/// Draws a valid definition as SVG, for light and dark backgrounds.
///
/// The group of each state has the attributes `data-state`, its name, and `data-type`; its outline has the class
/// `shape`. So a page can colour the states of a running execution.
pub fn svg(definition: &Value) -> String {
    svg::write(&scope::draw(definition, true), None)
}

/// Draws a valid definition as SVG for a page that has the style itself. `status` is a further class for a state.
pub fn svg_of_page(definition: &Value, status: &dyn Fn(&str) -> &'static str) -> String {
    svg::write(&scope::draw(definition, true), Some(status))
}
