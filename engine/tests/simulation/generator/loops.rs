//! Choices that lead back a limited number of times. Each round has another id, so that the calls in it are
//! distinct.

use serde_json::{Value, json};

use super::{Around, Generator, States, What};

/// A Choice that leads back.
#[derive(Debug, Clone)]
pub(crate) struct Loop {
    pub(crate) turns: u64,
    /// Whether the rounds are counted in the data, which a state in between may drop; then the loop ends.
    pub(crate) in_data: bool,
    /// The state that counts, to which the Choice leads back.
    pub(crate) counter: String,
}

impl Generator {
    /// Inserts a Choice that leads back.
    pub(super) fn again(&mut self, around: Around, whats: &mut Vec<What>) {
        if !around.express && self.rng.percent(if around.depth < 2 { 30 } else { 12 }) {
            let place = 1 + self.rng.below(whats.len() as u64) as usize;
            whats.insert(place, What::Again);
        }
    }

    /// Inserts the Choice at `place` of `names`, and the state that counts. `begin` is the first state of the
    /// run of states.
    pub(super) fn turn(
        &mut self,
        around: Around,
        states: &mut States,
        begin: &mut Value,
        names: &[String],
        place: usize,
        next: &str,
    ) {
        let name = &names[place];
        let field = format!("turns{name}");
        let turns = 1 + self.rng.below(if around.depth == 0 { 3 } else { 2 });
        let (in_data, jsonata) = (self.rng.percent(30), self.rng.percent(50));
        let back = &names[self.rng.below(place as u64) as usize];
        let counter = format!("Again{name}");
        let mut rule = match (in_data, jsonata) {
            (true, true) => {
                json!({"Condition": format!("{{% $exists($states.input.{field}) and $states.input.{field} < {turns} %}}")})
            }
            (true, false) => {
                let count = format!("$.{field}");
                json!({"And": [{"Variable": count, "IsPresent": true}, {"Variable": count, "NumericLessThan": turns}]})
            }
            (false, true) => json!({"Condition": format!("{{% ${field} < {turns} %}}")}),
            (false, false) => json!({"Variable": format!("${field}"), "NumericLessThan": turns}),
        };
        rule["Next"] = counter.as_str().into();
        let language = if jsonata { "JSONata" } else { "JSONPath" };
        states.insert(
            name.clone(),
            json!({"Type": "Choice", "QueryLanguage": language, "Choices": [rule], "Default": next}),
        );
        let mut count = json!({
            "Type": "Pass", "Parameters": {"id.$": format!("States.Format('{{}}~{name}', $.id)"), "n.$": "$.n"}, "Next": back
        });
        if in_data {
            count["Parameters"][format!("{field}.$")] = format!("States.MathAdd($.{field}, 1)").into();
            if begin.get("Parameters").is_none() {
                begin["Parameters"] = json!({"id.$": "$.id", "n.$": "$.n"});
            }
            begin["Parameters"][field] = 0.into();
        } else {
            count["Assign"] = json!({format!("{field}.$"): format!("States.MathAdd(${field}, 1)")});
            begin["Assign"][field] = 0.into();
        }
        states.insert(counter.clone(), count);
        self.loops.insert(name.clone(), Loop { turns, in_data, counter });
    }
}
