//! Inserts calls into a JSONata expression that measure the values it makes (see `meter`): around everything
//! that makes texts and arrays, and around everything that walks through a whole value. An expression that
//! cannot make anything large is left as it is.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

use super::growth::Growth::{List, Text, Walk};
use super::growth::{growth, stand_in};
use super::{exact, meter};

/// The longest text that is split, in bytes. Every part becomes a value.
pub(super) const SPLIT: f64 = 1_048_576.0;
/// The longest text that is matched, in bytes. Every match becomes a large value.
const MATCHED: f64 = 262_144.0;
/// The longest text in which matches are replaced, in bytes.
const REPLACED: f64 = 16_777_216.0;

/// Inserts the calls. Returns whether there was anything to measure.
pub(super) fn insert(ast: &mut AstNode, source: &str) -> bool {
    let functions = source.matches("function").count() + source.matches('λ').count();
    let again = [":=", "~>", "$reduce"].iter().any(|word| source.contains(word));
    // Only then can values be nested in values again and again.
    let nests = functions > 1 || functions > 0 && again || source.matches(['{', '[']).count() > 16;
    let mut pass = Pass { nests, inserted: false };
    pass.visit(ast);
    pass.inserted
}

struct Pass {
    nests: bool,
    inserted: bool,
}

impl Pass {
    fn wrap(&mut self, name: &str, node: &mut AstNode, more: Vec<AstNode>) {
        self.inserted = true;
        let inner = std::mem::replace(node, AstNode::Null);
        *node = call(name, std::iter::once(inner).chain(more).collect());
    }

    /// Wraps a node that may give a large value.
    fn weigh(&mut self, node: &mut AstNode) {
        let small = match node {
            AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Regex { .. } => true,
            AstNode::Placeholder | AstNode::Lambda { .. } | AstNode::Transform { .. } => true,
            AstNode::Binary { op, .. } => {
                !matches!(op, BinaryOp::ChainPipe | BinaryOp::ColonEqual | BinaryOp::Range)
            }
            AstNode::Function { name, .. } => {
                [meter::VALUE, meter::TEXT, meter::LIST].contains(&name.as_str())
            }
            _ => false,
        };
        if !small {
            self.wrap(meter::VALUE, node, Vec::new());
        }
    }

    /// Wraps values that become parts of a new value. A constructor is not wrapped, because its form decides
    /// whether it is flattened.
    fn weigh_parts<'n>(&mut self, parts: impl Iterator<Item = &'n mut AstNode>) {
        for part in parts {
            self.visit(part);
            if self.nests && !matches!(part, AstNode::Array(_) | AstNode::ArrayGroup(_) | AstNode::Object(_))
            {
                self.weigh(part);
            }
        }
    }

    fn made(&mut self, name: &str, node: &mut AstNode) {
        match growth(name) {
            Some(Text) => self.wrap(meter::TEXT, node, Vec::new()),
            Some(List(cost)) => self.wrap(meter::LIST, node, vec![AstNode::Number(cost as f64)]),
            Some(Walk) | None => {}
        }
    }

    fn visit(&mut self, node: &mut AstNode) {
        match node {
            AstNode::Variable(name) if stand_in(name).is_some() => {
                self.wrap(meter::BUILTIN, node, Vec::new())
            }
            AstNode::Binary { op, lhs, rhs } => {
                let op = *op;
                match op {
                    BinaryOp::ColonEqual => self.visit(rhs),
                    BinaryOp::ChainPipe => return self.chain(node),
                    _ => {
                        self.visit(lhs);
                        self.visit(rhs);
                        let scalar = |node: &AstNode| {
                            matches!(
                                node,
                                AstNode::String(_) | AstNode::Number(_) | AstNode::Boolean(_) | AstNode::Null
                            )
                        };
                        let compares = matches!(op, BinaryOp::Equal | BinaryOp::NotEqual)
                            && !scalar(lhs)
                            && !scalar(rhs);
                        if compares || op == BinaryOp::Concatenate {
                            self.weigh(lhs);
                            self.weigh(rhs);
                        }
                    }
                }
                match op {
                    BinaryOp::Concatenate => self.wrap(meter::TEXT, node, Vec::new()),
                    BinaryOp::Range => self.wrap(meter::LIST, node, vec![AstNode::Number(24.0)]),
                    _ => {}
                }
            }
            AstNode::Function { name, args, .. } => {
                let name = name.clone();
                let partial = args.iter().any(|arg| matches!(arg, AstNode::Placeholder));
                if partial && growth(&name).is_some() {
                    *node = applied(&name, std::mem::take(args));
                    return self.visit(node);
                }
                args.iter_mut().for_each(|arg| self.visit(arg));
                if name == "formatInteger" && args.len() == 1 {
                    // The number to be spelled is the context item.
                    args.insert(0, AstNode::Variable(String::new()));
                }
                if !partial {
                    self.arguments(&name, args);
                    self.made(&name, node);
                }
            }
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.weigh_parts(items.iter_mut()),
            AstNode::Object(pairs) => {
                self.weigh_parts(pairs.iter_mut().flat_map(|(key, value)| [key, value]))
            }
            AstNode::ObjectTransform { input, pattern } => {
                self.visit(input);
                self.weigh_parts(pattern.iter_mut().flat_map(|(key, value)| [key, value]));
            }
            AstNode::Path { .. } => self.path(node),
            AstNode::Unary { operand: inner, .. }
            | AstNode::FunctionApplication(inner)
            | AstNode::Lambda { body: inner, .. } => {
                self.visit(inner);
            }
            AstNode::Call { procedure, args } => {
                self.visit(procedure);
                args.iter_mut().for_each(|arg| self.visit(arg));
            }
            AstNode::Block(items) => items.iter_mut().for_each(|item| self.visit(item)),
            AstNode::Conditional { condition, then_branch, else_branch } => {
                [condition, then_branch].into_iter().chain(else_branch).for_each(|node| self.visit(node));
            }
            AstNode::Sort { input, terms } => {
                self.visit(input);
                terms.iter_mut().for_each(|(term, _)| self.visit(term));
            }
            AstNode::Transform { location, update, delete } => {
                [location, update].into_iter().chain(delete).for_each(|node| self.visit(node));
            }
            _ => {}
        }
    }

    /// Wraps the arguments that a function walks through, or searches.
    fn arguments(&mut self, name: &str, args: &mut [AstNode]) {
        match (name, args) {
            ("replace", [subject, pattern, new, ..]) => {
                let new = self.replacement(new);
                self.subject(subject, pattern, new, REPLACED);
            }
            ("split", [subject, pattern, ..]) => self.subject(subject, pattern, AstNode::Null, SPLIT),
            ("match", [subject, pattern, ..]) => self.subject(subject, pattern, AstNode::Null, MATCHED),
            ("contains", [subject, pattern, ..]) => self.subject(subject, pattern, AstNode::Null, REPLACED),
            ("join", [list, more @ ..]) => {
                let separator = more.first().filter(|node| is_cheap(node)).cloned();
                self.wrap(meter::JOIN, list, separator.into_iter().collect());
            }
            ("formatInteger" | "fromMillis" | "toMillis" | "now", args) => {
                if let ("formatInteger", [number, picture, ..]) = (name, &mut *args) {
                    let picture = if is_cheap(picture) { picture.clone() } else { AstNode::Null };
                    self.wrap(meter::SPELLED, number, vec![picture]);
                }
                for picture in args.iter_mut().filter(|arg| !matches!(arg, AstNode::Number(_))) {
                    self.wrap(meter::PICTURE, picture, Vec::new());
                }
            }
            ("map" | "filter" | "each" | "sift" | "single" | "sort", args) => {
                if let (true, Some(AstNode::Lambda { body, thunk, .. })) = (self.nests, args.get_mut(1)) {
                    *thunk = false;
                    self.weigh(body);
                }
            }
            (name, args) if growth(name).is_some_and(|growth| growth != Text) || name == "string" => {
                args.iter_mut().for_each(|arg| self.weigh(arg));
            }
            _ => {}
        }
    }

    /// Measures the results of a function that makes replacements. A text can be checked before.
    fn replacement(&mut self, new: &mut AstNode) -> AstNode {
        let text = if is_cheap(new) { new.clone() } else { AstNode::Null };
        if let AstNode::Lambda { body, thunk, .. } = new {
            *thunk = false;
            self.wrap(meter::REPLACEMENT, body, Vec::new());
        } else if !matches!(new, AstNode::String(_)) {
            self.inserted = true;
            *new = replacement(std::mem::replace(new, AstNode::Null));
        }
        text
    }

    fn subject(&mut self, subject: &mut AstNode, pattern: &AstNode, new: AstNode, longest: f64) {
        let pattern = if is_cheap(pattern) { pattern.clone() } else { AstNode::Null };
        self.wrap(meter::SUBJECT, subject, vec![pattern, new, AstNode::Number(longest)]);
    }

    /// Handles `lhs ~> rhs`: the left side is the first argument of the call on the right.
    fn chain(&mut self, node: &mut AstNode) {
        let AstNode::Binary { lhs, rhs, .. } = node else { return };
        self.visit(lhs);
        let name = match &mut **rhs {
            AstNode::Function { name, args, .. } => {
                args.iter_mut().for_each(|arg| self.visit(arg));
                name.clone()
            }
            AstNode::Variable(name) => name.clone(),
            other => return self.visit(other),
        };
        match (growth(&name), name.as_str()) {
            (None, _) => {}
            (_, "join") => self.wrap(meter::JOIN, lhs, Vec::new()),
            (_, "replace" | "split" | "match") => {
                let (mut pattern, mut new) = (AstNode::Null, AstNode::Null);
                if let AstNode::Function { args, .. } = &mut **rhs {
                    pattern = args.first().cloned().unwrap_or(AstNode::Null);
                    if let (true, Some(arg)) = (name == "replace", args.get_mut(1)) {
                        new = self.replacement(arg);
                    }
                }
                let longest = match name.as_str() {
                    "replace" => REPLACED,
                    "split" => SPLIT,
                    _ => MATCHED,
                };
                self.subject(lhs, &pattern, new, longest);
            }
            _ => self.weigh(lhs),
        }
        self.made(&name, node);
    }

    /// Wraps the values that a step of a path gives for each item; the items of an array become items of the
    /// whole.
    fn mapped(&mut self, node: &mut AstNode) {
        if !matches!(
            node,
            AstNode::Binary { .. } | AstNode::Object(_) | AstNode::String(_) | AstNode::Number(_)
        ) {
            self.wrap(meter::LIST, node, vec![AstNode::Number(24.0)]);
        }
    }

    fn path(&mut self, node: &mut AstNode) {
        let AstNode::Path { steps } = node else { return };
        let mut walked = None;
        for i in 0..steps.len() {
            let variable = i == 0 && matches!(steps[0].node, AstNode::Variable(_));
            // A path does not map over a variable at its head, so the head must remain a variable.
            if !variable {
                self.visit(&mut steps[i].node);
            }
            for stage in &mut steps[i].stages {
                if let Stage::Filter(filter) = stage {
                    self.visit(filter);
                }
            }
            if let (true, AstNode::FunctionApplication(inner)) = (i > 0, &mut steps[i].node) {
                self.mapped(inner);
            } else if let (true, AstNode::Block(items)) = (i > 0, &mut steps[i].node)
                && let Some(last) = items.last_mut()
            {
                self.mapped(last);
            }
            let all = steps
                .get(i + 1)
                .is_some_and(|next| matches!(next.node, AstNode::Descendant | AstNode::Wildcard));
            if all && variable {
                walked = Some(steps[0].node.clone());
            } else if all
                && matches!(steps[i].node, AstNode::Name(_) | AstNode::Function { .. })
                && !is_tuple(&steps[i])
            {
                self.weigh(&mut steps[i].node);
            }
        }
        let maps =
            steps.iter().skip(1).any(|step| !matches!(step.node, AstNode::Name(_) | AstNode::Wildcard));
        if steps.iter().any(is_tuple) {
            return;
        }
        if maps {
            self.weigh(node);
        }
        if let Some(mut variable) = walked {
            self.weigh(&mut variable);
            *node = AstNode::Block(vec![variable, std::mem::replace(node, AstNode::Null)]);
        }
    }
}

fn is_tuple(step: &PathStep) -> bool {
    step.is_tuple
        || step.inner_tuple
        || step.focus.is_some()
        || step.index_var.is_some()
        || step.ancestor_label.is_some()
}

/// Whether a node may be evaluated twice.
fn is_cheap(node: &AstNode) -> bool {
    match node {
        AstNode::String(_) | AstNode::Variable(_) | AstNode::Regex { .. } => true,
        AstNode::Function { name, args, .. } => name == exact::PLAIN && args.first().is_some_and(is_cheap),
        _ => false,
    }
}

fn call(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function { name: name.to_owned(), args, is_builtin: true }
}

/// Names of variables that no expression can contain.
const PARAMETER: &str = "the parameter";

/// The function `$f(?, x)`.
fn applied(name: &str, args: Vec<AstNode>) -> AstNode {
    let mut params = Vec::new();
    let args = args.into_iter().map(|arg| match arg {
        AstNode::Placeholder => {
            params.push(format!("{PARAMETER} {}", params.len()));
            AstNode::Variable(params.last().cloned().unwrap_or_default())
        }
        arg => arg,
    });
    let body = call(name, args.collect());
    AstNode::Lambda { params, body: Box::new(body), signature: None, thunk: false }
}

/// Wraps a replacement of which only the evaluation shows whether it is a function.
fn replacement(new: AstNode) -> AstNode {
    let variable = || AstNode::Variable(PARAMETER.to_owned());
    let found = format!("{PARAMETER} 0");
    let replaced = AstNode::Function {
        name: PARAMETER.to_owned(),
        args: vec![AstNode::Variable(found.clone())],
        is_builtin: true,
    };
    let function = AstNode::Lambda {
        params: vec![found],
        body: Box::new(call(meter::REPLACEMENT, vec![replaced])),
        signature: None,
        thunk: false,
    };
    AstNode::Block(vec![
        AstNode::Binary { op: BinaryOp::ColonEqual, lhs: Box::new(variable()), rhs: Box::new(new) },
        AstNode::Conditional {
            condition: Box::new(call(meter::IS_FUNCTION, vec![variable()])),
            then_branch: Box::new(function),
            else_branch: Some(Box::new(variable())),
        },
    ])
}
