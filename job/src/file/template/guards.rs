//! The filters and operators of templates. Each measures its result before it makes it.

use std::sync::LazyLock;

use minijinja::value::{Kwargs, Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, context};

use minijinja::filters as engine;

use super::budget::{self, ELEMENT};
use super::{drawn, filters};

/// The most bytes that a filter may need for its arguments.
type Cost = fn(&[Value]) -> Result<u64, Error>;

/// An environment with guarded filters and operators. Every template begins with a copy of it.
pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);
/// The unchanged template engine, for its operators.
static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(Environment::new);

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let small: Cost = |args| Ok(texts(args, 0)?.saturating_mul(2));
    let ours = filters::all().map(|(name, filter)| (name, filter, small));
    for (names, original, cost) in builtin().into_iter().chain(ours) {
        for name in names.split(' ') {
            let original = original.clone();
            environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
                let args = args.into_values();
                budget::allow(cost(&args)?)?;
                let made = original.call(state, &args)?;
                budget::charge_value(&made)?;
                Ok::<Value, Error>(made)
            });
        }
    }
    // It prints all columns of the line, at many times their size.
    environment.remove_global("debug");
    drawn::install(&mut environment);
    environment.add_filter("__concat", concat);
    environment.add_filter("__add", add);
    environment.add_filter("__mul", mul);
    environment.add_filter("__spread", spread);
    environment.add_filter("__spent", |bytes: u64| {
        budget::charge(bytes).map(|()| Value::from_safe_string(String::new()))
    });
    environment
}

/// The filters of the template engine that make texts or lists. All others return a part of their argument,
/// or something small.
fn builtin() -> [(&'static str, Value, Cost); 41] {
    // Lower case, upper case and titles may have three times the bytes.
    let text: Cost = |args| Ok(texts(args, 0)?.saturating_mul(3));
    // An escaped character has six bytes at the most.
    let escaped: Cost = |args| Ok(texts(args, 0)?.saturating_mul(6));
    let listed: Cost = |args| {
        args.iter().try_fold(0, |sum: u64, arg| Ok(sum.saturating_add(budget::elements(arg)? * ELEMENT)))
    };
    [
        ("safe", Value::from_function(engine::safe), text),
        ("string", Value::from_function(engine::string), text),
        ("lower", Value::from_function(engine::lower), text),
        ("upper", Value::from_function(engine::upper), text),
        ("title", Value::from_function(engine::title), text),
        ("capitalize", Value::from_function(engine::capitalize), text),
        ("trim", Value::from_function(engine::trim), text),
        ("int", Value::from_function(engine::int), |_| Ok(0)),
        ("float", Value::from_function(engine::float), |_| Ok(0)),
        ("escape e", Value::from_function(engine::escape), escaped),
        ("urlencode", Value::from_function(engine::urlencode), escaped),
        ("pprint", Value::from_function(engine::pprint), |args| Ok(texts(args, 4)?.saturating_mul(10))),
        ("tojson", Value::from_function(super::exact::tojson), tojson),
        ("replace", Value::from_function(engine::replace), replace),
        ("join", Value::from_function(engine::join), join),
        ("indent", Value::from_function(engine::indent), indent),
        ("format", Value::from_function(engine::format), format),
        ("split", Value::from_function(engine::split), split),
        ("lines", Value::from_function(engine::lines), split),
        ("batch", Value::from_function(engine::batch), chunks),
        ("slice", Value::from_function(engine::slice), chunks),
        ("sum", Value::from_function(engine::sum), text),
        ("list", Value::from_function(engine::list), listed),
        ("sort", Value::from_function(engine::sort), listed),
        ("dictsort", Value::from_function(engine::dictsort), listed),
        ("unique", Value::from_function(engine::unique), listed),
        ("groupby", Value::from_function(engine::groupby), listed),
        ("map", Value::from_function(engine::map), listed),
        ("select", Value::from_function(engine::select), listed),
        ("reject", Value::from_function(engine::reject), listed),
        ("selectattr", Value::from_function(engine::selectattr), listed),
        ("rejectattr", Value::from_function(engine::rejectattr), listed),
        ("reverse", Value::from_function(engine::reverse), listed),
        ("last", Value::from_function(engine::last), listed),
        ("first", Value::from_function(engine::first), |_| Ok(0)),
        ("min", Value::from_function(engine::min), |_| Ok(0)),
        ("max", Value::from_function(engine::max), |_| Ok(0)),
        ("round", Value::from_function(engine::round), |_| Ok(0)),
        ("abs", Value::from_function(engine::abs), |_| Ok(0)),
        ("chain", Value::from_function(engine::chain), |_| Ok(0)),
        ("zip", Value::from_function(engine::zip), |_| Ok(0)),
    ]
}

fn texts(args: &[Value], indent: u64) -> Result<u64, Error> {
    args.iter().try_fold(0, |sum: u64, arg| Ok(sum.saturating_add(budget::text_size(arg, indent)?)))
}

/// The numbers among the arguments, also among the named ones.
fn numbers(args: &[Value]) -> u64 {
    args.iter().fold(0, |sum: u64, arg| {
        let named = Kwargs::try_from(arg.clone()).ok().filter(|_| arg.is_kwargs());
        let named = named.iter().flat_map(|named| {
            named.args().filter_map(|name| named.peek::<Value>(name).ok()).collect::<Vec<_>>()
        });
        let all = named.chain(Some(arg.clone())).filter_map(|value| value.as_usize());
        all.fold(sum, |sum, number| sum.saturating_add(number as u64))
    })
}

fn tojson(args: &[Value]) -> Result<u64, Error> {
    let Some((value, options)) = args.split_first() else { return Ok(0) };
    let indent = numbers(options).max(2);
    Ok(budget::text_size(value, indent)?.saturating_mul(6).saturating_add(indent))
}

fn replace(args: &[Value]) -> Result<u64, Error> {
    let size = texts(args, 0)?;
    let [value, from, to, ..] = args else { return Ok(size) };
    // An argument that is not a text, which is rare, is written as one, with at least one byte.
    let found = match (value.as_str(), from.as_str()) {
        (Some(value), Some(from)) => value.matches(from).count() as u64,
        _ => size,
    };
    Ok(size.saturating_add(found.saturating_mul(budget::text_size(to, 0)?)))
}

fn join(args: &[Value]) -> Result<u64, Error> {
    let size = texts(args, 0)?;
    let [list, joiner, ..] = args else { return Ok(size) };
    let count = list.as_str().map_or_else(|| budget::elements(list), |text| Ok(text.len() as u64))?;
    Ok(size.saturating_add(count.saturating_mul(budget::text_size(joiner, 0)?)))
}

fn indent(args: &[Value]) -> Result<u64, Error> {
    let size = texts(args, 0)?;
    let Some((value, options)) = args.split_first() else { return Ok(size) };
    let lines = value.as_str().map_or(size, |text| text.matches('\n').count() as u64 + 1);
    Ok(size.saturating_add(lines.saturating_mul(numbers(options).max(4))))
}

/// `%1000d` has a thousand bytes, and so has `%*d` with 1000.
fn format(args: &[Value]) -> Result<u64, Error> {
    let size = texts(args, 0)?.saturating_mul(6);
    let Some((Some(pattern), rest)) = args.split_first().map(|(pattern, rest)| (pattern.as_str(), rest))
    else {
        return Ok(size);
    };
    let widths = pattern.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let widths = widths.fold(0, |sum: u64, digits| sum.saturating_add(digits.parse().unwrap_or(u64::MAX)));
    let starred = if pattern.contains('*') {
        numbers(rest).saturating_mul(pattern.matches('*').count() as u64)
    } else {
        0
    };
    // An argument that the pattern names twice is written twice.
    let repeated = size.saturating_mul(pattern.matches("%(").count().max(1) as u64);
    Ok(repeated.saturating_add(widths).saturating_add(starred))
}

fn split(args: &[Value]) -> Result<u64, Error> {
    let size = texts(args, 0)?;
    let Some(text) = args.first().and_then(Value::as_str) else { return Ok(size.saturating_mul(ELEMENT)) };
    let parts = match args.get(1).and_then(Value::as_str) {
        Some(separator) => text.matches(separator).count(),
        None => text.bytes().filter(u8::is_ascii_whitespace).count(),
    };
    Ok(size.saturating_add((parts as u64 + 1) * ELEMENT))
}

fn chunks(args: &[Value]) -> Result<u64, Error> {
    let Some((value, options)) = args.split_first() else { return Ok(0) };
    Ok(budget::elements(value)?
        .saturating_mul(2 * ELEMENT)
        .saturating_add(numbers(options).saturating_mul(ELEMENT)))
}

fn concat(left: Value, right: Value) -> Result<Value, Error> {
    defined(&left, &right)?;
    budget::allow_value(budget::text_size(&left, 0)?.saturating_add(budget::text_size(&right, 0)?))?;
    let made = Value::from(format!("{left}{right}"));
    budget::charge_value(&made)?;
    Ok(made)
}

fn add(left: Value, right: Value) -> Result<Value, Error> {
    defined(&left, &right)?;
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => budget::charge((left.len() + right.len()) as u64)?,
        _ if left.is_number() || right.is_number() => {}
        _ => budget::allow_value(
            budget::elements(&left)?.saturating_add(budget::elements(&right)?).saturating_mul(ELEMENT),
        )?,
    }
    operate("left + right", left, right)
}

fn mul(left: Value, right: Value) -> Result<Value, Error> {
    defined(&left, &right)?;
    let times = if left.is_number() { &left } else { &right };
    let repeated = if left.is_number() { &right } else { &left };
    if !repeated.is_number() {
        let size = budget::text_size(repeated, 0)?.max(budget::elements(repeated)?.saturating_mul(ELEMENT));
        budget::charge(size.saturating_mul(times.as_usize().unwrap_or(0) as u64))?;
    }
    operate("left * right", left, right)
}

/// `f(*list)`: as many arguments as the list has elements.
fn spread(list: Value) -> Result<Value, Error> {
    budget::charge(budget::elements(&list)?.saturating_mul(ELEMENT))?;
    Ok(list)
}

fn defined(left: &Value, right: &Value) -> Result<(), Error> {
    if left.is_undefined() || right.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(()) }
}

fn operate(expression: &str, left: Value, right: Value) -> Result<Value, Error> {
    PLAIN.compile_expression(expression)?.eval(context! { left, right })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_of_the_template_engine_is_guarded_or_harmless() {
        // Filters that return a part of their argument or a number.
        let harmless = ["attr", "bool", "count", "d", "default", "items", "length"];
        let builtin = builtin();
        let mut known: Vec<&str> =
            builtin.iter().flat_map(|(names, ..)| names.split(' ')).chain(harmless).collect();
        known.sort_unstable();
        let printed = format!("{:?}", Environment::new());
        let names = printed
            .split_once("filters: [")
            .and_then(|(_, rest)| rest.split_once(']'))
            .expect("it prints its filters")
            .0;
        let names: Vec<&str> = names.split(", ").map(|name| name.trim_matches('"')).collect();
        assert_eq!(known, names);
    }
}
