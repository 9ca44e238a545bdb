//! Reads the steps of a path.

use super::super::cursor::Cursor;
use super::filter::Filter;
use super::step::Step;

/// The place of a path, which decides where its names end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A field, or an argument of an intrinsic function.
    Field,
    Filter,
}

/// Reads the steps after a path's root, or after `@` in a filter.
pub(super) fn read_steps(cursor: &mut Cursor<'_>, place: Place) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    loop {
        let dotted = if cursor.eat("..") {
            steps.push(Step::Descend);
            true
        } else {
            cursor.eat(".")
        };
        if cursor.eat("[") {
            steps.push(read_bracket(cursor)?);
            cursor.spaces();
            cursor.expect("]")?;
        } else if dotted {
            steps.push(read_name(cursor, place)?);
        } else {
            return Ok(steps);
        }
    }
}

fn read_name(cursor: &mut Cursor<'_>, place: Place) -> Result<Step, String> {
    if cursor.eat("*") {
        return Ok(Step::Every);
    }
    let mut name = String::new();
    while let Some(c) = cursor.peek() {
        let ends =
            c.is_whitespace() || ".[](),'\"*".contains(c) || place == Place::Filter && "=!<>~&|".contains(c);
        match c {
            '\\' => {
                cursor.next();
                name.push(cursor.escaped()?);
            }
            _ if ends => break,
            c => {
                cursor.next();
                name.push(c);
            }
        }
    }
    match name.as_str() {
        "" => Err(cursor.error("a name expected")),
        _ if cursor.peek() == Some('(') => {
            name.push_str(call(cursor)?);
            Ok(Step::Function(name))
        }
        _ => Ok(Step::Name(name)),
    }
}

/// Reads parentheses with everything between them.
fn call<'t>(cursor: &mut Cursor<'t>) -> Result<&'t str, String> {
    let start = cursor.at();
    let mut open = 0_usize;
    loop {
        match cursor.next() {
            Some('(') => open += 1,
            Some(')') if open == 1 => return Ok(cursor.since(start)),
            Some(')') => open -= 1,
            Some(_) => {}
            None => return Err(cursor.error("the arguments of the function have no end")),
        }
    }
}

fn read_bracket(cursor: &mut Cursor<'_>) -> Result<Step, String> {
    cursor.spaces();
    if cursor.eat("*") {
        return Ok(Step::Every);
    }
    if cursor.eat("?") {
        return Ok(Step::Filter(Filter::read(cursor)?));
    }
    if cursor.eat("(") {
        return from_the_end(cursor);
    }
    if matches!(cursor.peek(), Some('\'' | '"')) {
        let mut names = vec![cursor.quoted(|quote, c| c != quote)?];
        while next_of_list(cursor) {
            names.push(cursor.quoted(|quote, c| c != quote)?);
        }
        return Ok(match names.len() {
            1 => Step::Name(names.remove(0)),
            _ => Step::Names(names),
        });
    }
    let first = cursor.integer();
    cursor.spaces();
    if cursor.eat(":") {
        cursor.spaces();
        let end = cursor.integer();
        return Ok(Step::Slice(first, end));
    }
    let mut indices = vec![first.ok_or_else(|| cursor.error("a name, an index or * expected"))?];
    while next_of_list(cursor) {
        indices.push(cursor.integer().ok_or_else(|| cursor.error("an index expected"))?);
    }
    Ok(match indices.len() {
        1 => Step::Index(indices[0]),
        _ => Step::Indices(indices),
    })
}

/// Reads what follows `[(`, which can only be `@.length-1)` with any number.
fn from_the_end(cursor: &mut Cursor<'_>) -> Result<Step, String> {
    cursor.spaces();
    cursor.expect("@.length")?;
    cursor.spaces();
    cursor.expect("-")?;
    cursor.spaces();
    let index = cursor.integer().filter(|index| *index > 0);
    let index = index.ok_or_else(|| cursor.error("a positive number expected"))?;
    cursor.spaces();
    cursor.expect(")")?;
    Ok(Step::Index(-index))
}

pub(super) fn next_of_list(cursor: &mut Cursor<'_>) -> bool {
    cursor.spaces();
    let more = cursor.eat(",");
    cursor.spaces();
    more
}
