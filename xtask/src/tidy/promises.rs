//! Every promise of `docs/SEMANTICS.md` names a test that exists.
//!
//! A line `Test: ` or `Tests: ` lists names in backticks; each is a function somewhere in the sources.

use super::Tree;
use std::collections::BTreeSet;

const DOCUMENT: &str = "docs/SEMANTICS.md";

pub(super) fn check(tree: &Tree) -> Vec<String> {
    let functions: BTreeSet<&str> = tree
        .with_extension("rs")
        .flat_map(|(_, t)| functions(t))
        .collect();
    let mut violations = Vec::new();
    for (number, line) in (1..).zip(tree.text(DOCUMENT).unwrap_or_default().lines()) {
        let line = line.trim_start();
        let list = line
            .strip_prefix("Test: ")
            .or_else(|| line.strip_prefix("Tests: "));
        let names = list
            .into_iter()
            .flat_map(|list| list.split('`').skip(1).step_by(2));
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
