//! The numbers of a JSON line print with the digits of the line, and calculate as numbers.
//!
//! The template engine has numbers of 64 and 128 bits. A number that would print differently (`12.50`,
//! `1e400`) becomes an object that prints its digits. An array or an object becomes an object that prints its
//! text. If a template does more with a value than print it or pass it on, [`super::calculate`] puts a filter
//! after the value's name, which turns it into a number of the engine.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Environment, Error};

use crate::json::{Document, Json, Kind};

/// The filter that turns a value into a number, see [`super::calculate`].
pub(super) const NUMBER: &str = "__number";
/// Registers the filter.
pub(super) fn install(environment: &mut Environment<'_>) {
    environment.add_filter(NUMBER, number);
}

/// A value of a line that prints exactly, or that calculates.
pub(crate) fn value(document: &Document, json: Json<'_>, exact: bool) -> Value {
    match json.kind() {
        Kind::Null => Value::from(()),
        Kind::Bool(bool) => Value::from(bool),
        Kind::String | Kind::Word => Value::from(json.text()),
        Kind::Number => match engine_number(json.raw()) {
            (number, true) => number,
            (number, false) if !exact => number,
            _ => part(document, json, exact),
        },
        Kind::Array | Kind::Object => part(document, json, exact),
    }
}

/// The JSON text of a value that is an object of this module.
pub(super) fn json(value: &Value) -> Option<String> {
    let part = value.downcast_object_ref::<Part>().filter(|part| part.exact)?;
    Some(part.json().compact())
}

/// The size of its text in bytes.
pub(super) fn size(value: &Value) -> Option<u64> {
    let part = value.downcast_object_ref::<Part>().filter(|part| part.exact)?;
    Some(part.json().raw().len() as u64)
}

/// A number of the engine, and whether it prints with the same digits.
fn engine_number(digits: &str) -> (Value, bool) {
    if !digits.contains(['.', 'e', 'E']) && digits != "-0" {
        if let Ok(number) = digits.parse::<i64>() {
            return (Value::from(number), true);
        }
        if let Ok(number) = digits.parse::<i128>() {
            return (Value::from(number), true);
        }
    }
    let number: f64 = digits.parse().unwrap_or(f64::NAN);
    (Value::from(number), serde_json::to_string(&number).is_ok_and(|text| text == digits))
}

fn part(document: &Document, json: Json<'_>, exact: bool) -> Value {
    Value::from_object(Part { document: document.clone(), place: json.place(), exact })
}

/// A value of a line.
struct Part {
    document: Document,
    place: u32,
    exact: bool,
}

impl Part {
    fn json(&self) -> Json<'_> {
        self.document.at(self.place)
    }

    fn value(&self, json: Json<'_>) -> Value {
        value(&self.document, json, self.exact)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json().raw())
    }
}

impl Object for Part {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.json().kind() {
            Kind::Array => ObjectRepr::Seq,
            Kind::Object => ObjectRepr::Map,
            _ => ObjectRepr::Plain,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let json = self.json();
        let found = key.as_str().map_or_else(|| json.index(key.as_i64()?), |name| json.get(name));
        found.map(|found| self.value(found))
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.json().get(key).map(|found| self.value(found))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let json = self.json();
        match json.kind() {
            Kind::Array => Enumerator::Values(json.items().map(|item| self.value(item)).collect()),
            Kind::Object => Enumerator::Values(json.members().map(|(name, _)| Value::from(name)).collect()),
            _ => Enumerator::NonEnumerable,
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        match self.json().kind() {
            Kind::Number => self.json().raw().parse::<f64>().is_ok_and(|number| number != 0.0),
            _ => self.enumerator_len() != Some(0),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json().compact())
    }
}

/// The value that calculates, in place of the one that prints.
fn number(value: Value) -> Value {
    let is_exact = |value: &Value| value.downcast_object_ref::<Part>().is_some_and(|part| part.exact);
    match value.downcast_object_ref::<Part>() {
        Some(part) if part.exact => self::value(&part.document, part.json(), false),
        // A part of a list, or a list that the template has made.
        None if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
            && value.try_iter().is_ok_and(|mut items| items.any(|item| is_exact(&item))) =>
        {
            value.try_iter().map_or(value.clone(), |items| items.map(number).collect())
        }
        _ => value,
    }
}

/// The filter `tojson`, which keeps the digits of the line and escapes the characters of markup.
pub(super) fn tojson(value: &Value, indent: Option<Value>, args: Kwargs) -> Result<Value, Error> {
    match json(value).filter(|_| indent.is_none() && args.args().next().is_none()) {
        None => minijinja::filters::tojson(&number(value.clone()), indent, args),
        Some(mut text) => {
            for (character, escaped) in
                [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\'', "\\u0027")]
            {
                text = text.replace(character, escaped);
            }
            Ok(Value::from_safe_string(text))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::file::Row;
    use crate::file::template::{Place, Template};

    const LINE: &str = r#"{"id":12345678901234567890123,"huge":123456789012345678901234567890123456789012345,"price":12.50,"one":1.0,"far":1e400,"big":1E5,"zero":-0,"plain":0.1,"n":7,"list":[1.10,2.20,{"p":3.30}],"order":{"total":9.90,"ok":true,"s":"<\u00e9>"},"NaN":NaN,"half":"a\ud83d"}"#;

    fn render(source: &str, place: Place) -> String {
        let row = Arc::new(Row::Object(Document::parse(LINE).unwrap()));
        Template::new(source, place)
            .unwrap()
            .render(&row, &Arc::default())
            .unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    #[test]
    fn numbers_print_with_the_digits_of_the_line() {
        for (source, url, json) in [
            ("{{ id }}", "12345678901234567890123", "12345678901234567890123"),
            (
                "{{ huge }}",
                "123456789012345678901234567890123456789012345",
                "123456789012345678901234567890123456789012345",
            ),
            (
                "{{ price }}/{{ one }}/{{ far }}/{{ big }}/{{ zero }}/{{ plain }}/{{ n }}",
                "12.50/1.0/1e400/1E5/-0/0.1/7",
                "12.50/1.0/1e400/1E5/-0/0.1/7",
            ),
            ("{{ row['price'] }}", "12.50", "12.50"),
            ("{{ list[0] }}{{ list[-1].p }}{{ order['total'] }}", "1.103.309.90", "1.103.309.90"),
            ("{{ missing | default(price) }}", "12.50", "12.50"),
            ("{{ price | safe }}", "12.50", "12.50"),
            ("{{ price | string }}", "12.50", "\"12.50\""),
            ("{% for x in list[:2] %}{{ x }};{% endfor %}", "1.10;2.20;", "1.10;2.20;"),
            ("{% set p = price %}{{ p }}", "12.50", "12.50"),
            ("{% if price %}{{ price }}{% endif %}", "12.50", "12.50"),
            ("{{ price if n > 3 else 0 }}", "12.5", "12.5"),
            ("{{ NaN }}", "NaN", "\"NaN\""),
        ] {
            assert_eq!(render(source, Place::Text), url, "{source}");
            assert_eq!(render(source, Place::Json), json, "{source}");
        }
        assert_eq!(render("x{{ price }}", Place::Url), "x12.50");
        assert_eq!(
            render("{{ order }}", Place::Json),
            r#"{"total":9.90,"ok":true,"s":"<\u00e9>"}"#.replace("\\u00e9", "é")
        );
        assert_eq!(render("{{ list }}", Place::Text), r#"[1.10,2.20,{"p":3.30}]"#);
        assert_eq!(
            render(r#"{"a":"{{ list }} {{ price }}"}"#, Place::Json),
            r#"{"a":"[1.10,2.20,{\"p\":3.30}] 12.50"}"#
        );
        assert_eq!(
            render("{{ order.total | tojson }}{{ list | tojson }}", Place::Text),
            r#"9.90[1.10,2.20,{"p":3.30}]"#
        );
        assert_eq!(render("{{ half }}", Place::Text), "a\u{fffd}");
    }

    #[test]
    fn numbers_of_a_line_calculate_as_numbers() {
        for (source, expected) in [
            ("{{ price * 2 }}", "25.0"),
            ("{{ 2 * order.total }}", "19.8"),
            ("{{ (price + one) / 2 }}", "6.75"),
            ("{{ -price }}", "-12.5"),
            ("{{ price | int }}", "12"),
            ("{{ price | round(1) }}", "12.5"),
            ("{{ list[:2] | sum }}", "3.3000000000000003"),
            ("{{ list[0] + list[1] * n }}", "16.500000000000004"),
            ("{% set some = list[:2] %}{{ some | sum }}", "3.3000000000000003"),
            ("{{ row['list'][:2] | sum }}", "3.3000000000000003"),
            ("{{ id + 1 }}", "12345678901234567890124"),
            ("{{ id | int }}", "12345678901234567890123"),
            ("{{ big | int }}", "100000"),
            ("{% if price > 3 and price < 13.0 and price == 12.5 and price != 12 %}yes{% endif %}", "yes"),
            ("{% if price is number and price is not string %}yes{% endif %}", "yes"),
            ("{% if 12.5 in [price] %}yes{% endif %}", "yes"),
            ("{% if not zero %}yes{% endif %}", "yes"),
            ("{% for x in list[:2] if x > 2 %}{{ x }}{% endfor %}", "2.2"),
            ("{% for x in list[:2] %}{{ x * 2 }};{% endfor %}", "2.2;4.4;"),
            ("{% set p = price * 2 %}{{ p + 1 }}", "26.0"),
            ("{{ [price, one] | max }}", "12.5"),
            ("{{ \"%.3f\" | format(price) }}", "12.500"),
            (
                "{% for key, value in order | items %}{{ key }}={{ value }};{% endfor %}",
                "total=9.90;ok=true;s=<é>;",
            ),
            ("{{ order | join(',') }}", "total,ok,s"),
            ("{{ missing is defined }}", "false"),
            ("{{ list | length }}{{ order | length }}", "33"),
        ] {
            assert_eq!(render(source, Place::Text), expected, "{source}");
        }
    }
}
