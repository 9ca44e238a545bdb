//! Filters in paths: `[?(@.n > 1 && @.s == 'x')]`.

use std::cmp::Ordering;

use serde_json::Value;

use super::cursor::Cursor;
use super::path::{Step, read_steps, walk};

/// Conditions joined by `||`; each is a list of tests joined by `&&`.
#[derive(Debug, Clone)]
pub(super) struct Filter(Vec<Vec<Test>>);

#[derive(Debug, Clone)]
struct Test {
    steps: Vec<Step>,
    /// None tests only whether there is a value.
    compare: Option<(&'static str, Value)>,
}

/// Longer operators come first, because the parser takes the first that matches.
const OPERATORS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

impl Filter {
    /// Reads what follows the question mark.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        cursor.expect("(")?;
        let mut alternatives = vec![vec![Test::read(cursor)?]];
        loop {
            cursor.spaces();
            if cursor.eat("&&") {
                let test = Test::read(cursor)?;
                if let Some(all) = alternatives.last_mut() {
                    all.push(test);
                }
            } else if cursor.eat("||") {
                alternatives.push(vec![Test::read(cursor)?]);
            } else {
                cursor.expect(")")?;
                return Ok(Filter(alternatives));
            }
        }
    }

    pub(super) fn accepts(&self, item: &Value) -> bool {
        self.0.iter().any(|all| all.iter().all(|test| test.holds(item)))
    }
}

impl Test {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        cursor.spaces();
        cursor.expect("@")?;
        let steps = read_steps(cursor)?;
        cursor.spaces();
        let Some(operator) = OPERATORS.into_iter().find(|operator| cursor.eat(operator)) else {
            return Ok(Self { steps, compare: None });
        };
        cursor.spaces();
        let operand = match cursor.peek() {
            Some('\'' | '"') => Value::String(cursor.quoted(|quote, c| c != quote)?),
            _ => {
                let word = cursor.take_while(|c| c.is_alphanumeric() || "+-.".contains(c));
                serde_json::from_str(word)
                    .map_err(|_| cursor.error("a number, a text, true, false or null expected"))?
            }
        };
        Ok(Self { steps, compare: Some((operator, operand)) })
    }

    fn holds(&self, item: &Value) -> bool {
        let found = walk(item, &self.steps);
        let Some(value) = found.first() else { return false };
        let Some((operator, operand)) = &self.compare else { return true };
        let order = match (value, operand) {
            (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (a, b) => (**a == *b).then_some(Ordering::Equal),
        };
        match *operator {
            "==" => order == Some(Ordering::Equal),
            "!=" => order != Some(Ordering::Equal),
            "<" => order == Some(Ordering::Less),
            ">" => order == Some(Ordering::Greater),
            "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}
