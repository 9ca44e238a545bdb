//! Random workflows. Data is an object with a number `n` and an `id` that no other run of states has, so that
//! a call is known by its state, id and attempt.
//!
//! The outcome must not depend on the order in which concurrent states end, because a crash changes it. So inside
//! of a Parallel or an inline Map every error that gets out of a state is the same one.

mod containers;
mod distributed;
mod loops;
mod recovery;
mod states;
mod store;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::rng::Rng;
pub(crate) use loops::Loop;
pub(crate) use store::{Answer, StoreFault, Write};

pub(crate) const BUCKET: &str = "data";
pub(crate) const ERROR: &str = "Bad";
pub(crate) const CAUSE: &str = "by the dice";
/// The depth below which there are no Maps and Parallels.
const DEEPEST: u64 = 3;
/// The prefix of the names of tasks that never end.
pub(crate) const ENDLESS: &str = "Endless";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:000000000000:function:f";

pub(crate) struct Workflow {
    pub(crate) definition: Value,
    pub(crate) objects: BTreeMap<String, String>,
    /// By label.
    pub(crate) maps: BTreeMap<String, MapPlan>,
    /// By the name of the Choice.
    pub(crate) loops: BTreeMap<String, Loop>,
    /// The store fails at random and not by the plans, so that the outcome depends on timing.
    pub(crate) foul_weather: bool,
}

/// The properties of a generated Distributed Map.
#[derive(Debug, Clone)]
pub(crate) struct MapPlan {
    pub(crate) items: u64,
    pub(crate) tolerated_count: Option<u64>,
    pub(crate) tolerated_percentage: Option<u64>,
    pub(crate) writes: bool,
    pub(crate) batched: bool,
    /// Whether its results fill more than one file, so that some are written while it runs.
    pub(crate) is_big: bool,
    /// By attempt.
    pub(crate) faults: Vec<Option<StoreFault>>,
}

pub(crate) fn workflow(seed: u64) -> Workflow {
    let mut generator = Generator {
        rng: Rng::new(("workflow", seed)),
        names: 0,
        objects: BTreeMap::new(),
        maps: BTreeMap::new(),
        loops: BTreeMap::new(),
        big: false,
        lists: Vec::new(),
    };
    let times_out = generator.rng.percent(5);
    generator.big = generator.rng.percent(2);
    let around = Around { depth: 0, concurrent: false, express: false };
    let mut definition = generator.scope(around, Value::Null, times_out);
    if times_out {
        definition["TimeoutSeconds"] = json!(1_000_000);
    }
    let foul_weather = generator.rng.percent(15);
    Workflow {
        definition,
        objects: generator.objects,
        maps: generator.maps,
        loops: generator.loops,
        foul_weather,
    }
}

struct Generator {
    rng: Rng,
    names: u64,
    objects: BTreeMap<String, String>,
    maps: BTreeMap<String, MapPlan>,
    loops: BTreeMap<String, Loop>,
    /// Whether the next Distributed Map is to have big results.
    big: bool,
    /// The variables of the run of states that is being generated.
    lists: Vec<(String, Value)>,
}

/// The surroundings of a run of states.
#[derive(Clone, Copy)]
struct Around {
    depth: u64,
    /// Whether concurrent runs of states belong to the same execution.
    concurrent: bool,
    /// Whether it is an Express execution, which has five minutes.
    express: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Pass,
    Choice,
    /// A Choice that leads back.
    Again,
    Wait,
    Task,
    Parallel,
    Inline,
    Distributed,
}

type States = Map<String, Value>;

impl Generator {
    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    /// A run of states that begins with a Pass with these parameters, if there are any.
    fn scope(&mut self, around: Around, begins_with: Value, endless: bool) -> Value {
        let mut whats: Vec<What> = (0..1 + self.rng.below(4)).map(|_| self.what(around)).collect();
        if whats.last() == Some(&What::Choice) {
            whats.push(What::Task);
        }
        self.again(around, &mut whats);
        let names: Vec<String> = whats.iter().map(|_| self.name("S")).collect();
        let last = self.name("Last");
        let variable = format!("v{}", self.names);
        let mut states = States::new();
        let lists_around = std::mem::take(&mut self.lists);
        let first = self.name("First");
        let mut begin = json!({"Type": "Pass", "Assign": {&variable: 0}, "Next": names[0]});
        if !begins_with.is_null() {
            begin["Parameters"] = begins_with;
        }
        for (index, what) in whats.iter().enumerate() {
            let next = names.get(index + 1).unwrap_or(&last).clone();
            let far = names.get(index + 2).unwrap_or(&last).clone();
            match what {
                What::Again => self.turn(around, &mut states, &mut begin, &names, index, &next),
                what => self.state(around, &mut states, &names[index], *what, &next, &far, &variable),
            }
        }
        for (variable, items) in std::mem::replace(&mut self.lists, lists_around) {
            begin["Assign"][variable] = items;
        }
        states.insert(first.clone(), begin);
        let end = self.last(around, endless);
        states.insert(last, end);
        json!({"StartAt": first, "States": states})
    }

    fn what(&mut self, around: Around) -> What {
        use What::*;
        if self.big {
            return Distributed;
        }
        if around.depth < DEEPEST && !around.express && self.rng.percent(35) {
            return self.rng.one_of(&[Parallel, Inline, Distributed, Distributed]);
        }
        self.rng.one_of(&[Pass, Choice, Wait, Task, Task, Task])
    }

    fn last(&mut self, around: Around, endless: bool) -> Value {
        if endless {
            let function = json!({"Type": "Task", "Resource": FUNCTION, "End": true});
            let tasks = [function, states::endless_with_token()].map(|task| {
                let name = self.name(ENDLESS);
                json!({"StartAt": name, "States": {&name: task}})
            });
            return if self.rng.percent(50) {
                json!({"Type": "Wait", "Seconds": 2_000_000, "End": true})
            } else {
                json!({"Type": "Parallel", "Branches": tasks, "End": true})
            };
        }
        match self.rng.below(100) {
            0..8 if around.depth > 0 => json!({"Type": "Fail", "Error": ERROR, "Cause": CAUSE}),
            0..4 => json!({"Type": "Fail", "Error": "Final", "CausePath": "$.id"}),
            8..50 => json!({"Type": "Succeed"}),
            _ => json!({"Type": "Pass", "End": true}),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn state(
        &mut self,
        around: Around,
        states: &mut States,
        name: &str,
        what: What,
        next: &str,
        far: &str,
        variable: &str,
    ) {
        let is_container = matches!(what, What::Parallel | What::Inline | What::Distributed);
        let jsonata = self.rng.percent(if is_container { 50 } else { 20 });
        let mut state = match what {
            What::Pass => self.pass(jsonata, variable),
            What::Choice => {
                let limit = self.rng.below(100);
                let rule = if jsonata {
                    json!({"Condition": format!("{{% $states.input.n < {limit} %}}"), "Next": far})
                } else {
                    json!({"Variable": "$.n", "NumericLessThan": limit, "Next": far})
                };
                json!({"Type": "Choice", "Choices": [rule], "Default": next})
            }
            What::Again => unreachable!("it is made otherwise"),
            What::Wait => self.wait(jsonata),
            What::Task => self.task(around, jsonata, variable),
            What::Parallel => self.parallel(around, name, jsonata),
            What::Inline => self.inline(around, name, jsonata),
            What::Distributed => self.distributed(around, name, jsonata),
        };
        if jsonata {
            state["QueryLanguage"] = "JSONata".into();
        }
        if what != What::Choice {
            state["Next"] = next.into();
            // In JSONPath, `Assign` refers to the state's result.
            let sees_n = jsonata || what == What::Wait;
            if sees_n
                && self.rng.percent(15)
                && state.get("Assign").is_none()
                && state.get("Parameters").is_none()
            {
                let (field, value) = if jsonata { ("", "{% $states.input.n %}") } else { (".$", "$.n") };
                state["Assign"] = json!({format!("{variable}{field}"): value});
            }
        }
        if matches!(what, What::Task | What::Parallel | What::Inline | What::Distributed) {
            self.recovery(around, states, &mut state, what, next, jsonata);
        }
        states.insert(name.to_owned(), state);
    }
}
