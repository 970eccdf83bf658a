//! Every promise of `docs/SEMANTICS.md` names a test that exists.
//!
//! A line `Test: ` or `Tests: ` lists names in backticks. The list goes on in the next lines as long as they
//! begin with a backtick. Each name is a function somewhere in the sources.

use super::Tree;
use std::collections::BTreeSet;

const DOCUMENT: &str = "docs/SEMANTICS.md";

pub(super) fn check(tree: &Tree) -> Vec<String> {
    let functions: BTreeSet<&str> = tree
        .with_extension("rs")
        .flat_map(|(_, t)| functions(t))
        .collect();
    let mut violations = Vec::new();
    let mut in_list = false;
    for (number, line) in (1..).zip(tree.text(DOCUMENT).unwrap_or_default().lines()) {
        let line = line.trim_start();
        let begins = line.starts_with("Test: ") || line.starts_with("Tests: ");
        in_list = begins || in_list && line.starts_with('`');
        let names = line.split('`').skip(1).step_by(2).filter(|_| in_list);
        let missing = names.filter(|name| !functions.contains(name));
        violations
            .extend(missing.map(|name| format!("{DOCUMENT}:{number}: no test is named {name}")));
    }
    violations
}

fn functions(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.split("fn ")
        .skip(1)
        .filter_map(move |rest| rest.split(|c| !is_name(c)).next())
}
