//! Calls of intrinsic functions: `States.Format('{}-{}', $.a, States.UUID())`.

use serde_json::Value;

use super::cursor::Cursor;
use super::intrinsics::{INTRINSICS, Intrinsic};
use super::{Env, Path};
use crate::failure::Failure;

#[derive(Debug, Clone)]
pub(crate) struct Call {
    text: String,
    intrinsic: &'static Intrinsic,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone)]
enum Argument {
    Literal(Value),
    Path(Path),
    Call(Call),
}

/// The deepest nesting of calls.
const DEPTH: usize = 10;

impl Call {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut cursor = Cursor::new(text.trim());
        let call = Call::read(&mut cursor, DEPTH)?;
        cursor.finish()?;
        Ok(call)
    }

    fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self, String> {
        if depth == 0 {
            return Err(cursor.error("intrinsic functions are nested too deeply"));
        }
        let start = cursor.at();
        cursor.expect("States.")?;
        let name = cursor.take_while(|c| c.is_alphanumeric());
        let Some(intrinsic) = INTRINSICS.iter().find(|intrinsic| intrinsic.name == name) else {
            return Err(format!("there is no intrinsic function States.{name}"));
        };
        cursor.spaces();
        cursor.expect("(")?;
        cursor.spaces();
        let mut arguments = Vec::new();
        while !cursor.eat(")") {
            if !arguments.is_empty() {
                cursor.expect(",")?;
                cursor.spaces();
            }
            // `format` must still tell escaped braces from others.
            let keep_escapes = name == "Format" && arguments.is_empty();
            arguments.push(Argument::read(cursor, keep_escapes, depth)?);
            cursor.spaces();
        }
        if !intrinsic.arity.contains(&arguments.len()) {
            return Err(format!("States.{name} cannot be called with {} arguments", arguments.len()));
        }
        Ok(Self { text: cursor.since(start).to_owned(), intrinsic, arguments })
    }

    pub(crate) fn run(&self, env: &mut Env<'_, '_>) -> Result<Value, Failure> {
        let mut values = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            values.push(match argument {
                Argument::Literal(value) => value.clone(),
                Argument::Path(path) => {
                    let value = path.get_for(&self.text, env)?;
                    env.count(&value, false)?;
                    value.into_owned()
                }
                Argument::Call(call) => call.run(env)?,
            });
        }
        // Like AWS, this names neither the wrong argument nor States.IntrinsicFailure.
        (self.intrinsic.run)(&values, env.rng).map_err(|_| {
            let cause = format!(
                "The function '{}' had the following error: Invalid arguments in States.{}",
                self.text, self.intrinsic.name
            );
            Failure::runtime(cause)
        })
    }
}

/// The first character that must not follow a backslash.
fn wrongly_escaped(quoted: &str) -> Option<char> {
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            let escaped = chars.next()?;
            if !"'{}\\".contains(escaped) {
                return Some(escaped);
            }
        }
    }
    None
}

impl Argument {
    fn read(cursor: &mut Cursor<'_>, keep_escapes: bool, depth: usize) -> Result<Self, String> {
        match cursor.peek() {
            Some('\'') => {
                let start = cursor.at();
                let text = cursor.quoted(|_, c| keep_escapes && c != '\'')?;
                if let Some(escaped) = wrongly_escaped(cursor.since(start)) {
                    return Err(cursor.error(&format!(
                        "a backslash may only be followed by ' {{ }} and \\, not by {escaped}"
                    )));
                }
                Ok(Argument::Literal(Value::String(text)))
            }
            Some('$') => Ok(Argument::Path(Path::read(cursor)?)),
            Some('S') => Ok(Argument::Call(Call::read(cursor, depth - 1)?)),
            _ => {
                let word = cursor.take_while(|c| c.is_alphanumeric() || "+-.".contains(c));
                let literal = serde_json::from_str(word);
                literal.map(Argument::Literal).map_err(|_| cursor.error("an argument expected"))
            }
        }
    }
}
