//! Finds references that Step Functions does not support: it has no context item, so that a bare name `$`
//! and `$$` mean nothing (AWS returns `UNSUPPORTED_JSONATA_EXPRESSION`).

use jsonata_core::ast::{AstNode, PathStep, Stage};

/// AWS's messages about unsupported references, each once. `caught` says whether there is a caught error.
pub(super) fn unsupported(ast: &AstNode, caught: bool) -> Vec<String> {
    let mut search = Search { caught, found: Vec::new() };
    search.visit(ast, true);
    search.found
}

struct Search {
    caught: bool,
    found: Vec<String>,
}

impl Search {
    fn say(&mut self, what: String) {
        if !self.found.contains(&what) {
            self.found.push(what);
        }
    }

    /// Visits a node. `top` says that no step before it gives a context item.
    fn visit(&mut self, node: &AstNode, top: bool) {
        let all = |search: &mut Search, nodes: &[AstNode], top: bool| {
            nodes.iter().for_each(|node| search.visit(node, top))
        };
        match node {
            AstNode::Name(name) if top => {
                self.say(format!("Reference to '{name}' at the top level is not supported."))
            }
            AstNode::ParentVariable(_) => self.say("Reference to '$$' is not supported.".into()),
            AstNode::Variable(name) if name == "$" => self.say("Reference to '$$' is not supported.".into()),
            AstNode::Variable(name) if name.is_empty() && top => {
                self.say("Reference to '$' is not supported.".into())
            }
            AstNode::Path { steps } => self.path(steps, top),
            AstNode::Binary { lhs, rhs, .. } => {
                self.visit(lhs, top);
                self.visit(rhs, top);
            }
            AstNode::Unary { operand, .. } => self.visit(operand, top),
            AstNode::Function { args, .. } => all(self, args, top),
            AstNode::Call { procedure, args } => {
                self.visit(procedure, top);
                all(self, args, top);
            }
            AstNode::Lambda { body, .. } => self.visit(body, top),
            AstNode::Array(items) | AstNode::Block(items) => all(self, items, top),
            AstNode::Object(pairs) => self.pairs(pairs, top),
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.visit(condition, top);
                self.visit(then_branch, top);
                else_branch.iter().for_each(|node| self.visit(node, top));
            }
            AstNode::ObjectTransform { input, pattern } => {
                self.visit(input, top);
                self.pairs(pattern, false);
            }
            AstNode::Sort { input, terms } => {
                self.visit(input, top);
                terms.iter().for_each(|(term, _)| self.visit(term, false));
            }
            AstNode::Transform { location, update, delete } => {
                self.visit(location, false);
                self.visit(update, false);
                delete.iter().for_each(|node| self.visit(node, false));
            }
            AstNode::ArrayGroup(items) => all(self, items, false),
            AstNode::FunctionApplication(inner) => self.visit(inner, false),
            _ => {}
        }
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)], top: bool) {
        for (key, value) in pairs {
            self.visit(key, top);
            self.visit(value, top);
        }
    }

    /// Visits the steps of a path. Only the first step has no context item.
    fn path(&mut self, steps: &[PathStep], top: bool) {
        if let [
            PathStep { node: AstNode::Variable(name), .. },
            PathStep { node: AstNode::Name(field), .. },
            ..,
        ] = steps
            && name == "states"
            && field == "errorOutput"
            && !self.caught
        {
            self.say("Field '$states.errorOutput' does not exist.".into());
        }
        for (i, step) in steps.iter().enumerate() {
            self.visit(&step.node, top && i == 0);
            for stage in &step.stages {
                if let Stage::Filter(filter) = stage {
                    self.visit(filter, false);
                }
            }
        }
    }
}
