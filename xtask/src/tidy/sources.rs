//! Rules for source files: each says what it is for, none holds many ideas.

use super::Tree;
use std::path::Path;

/// Longer files hold more than one idea.
pub(super) const LINES_MAX: usize = 800;

pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in tree.with_extension("rs") {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            violations.push(format!(
                "{}: {lines} lines, more than {LINES_MAX}",
                path.display()
            ));
        }
        if says_its_purpose(path) && !text.starts_with("//!") {
            violations.push(format!("{}: does not start with //!", path.display()));
        }
    }
    violations
}

/// Modules of a test binary are explained by its root.
fn says_its_purpose(path: &Path) -> bool {
    let words: Vec<_> = path.iter().filter_map(|w| w.to_str()).collect();
    let in_test_module = words
        .windows(3)
        .any(|w| w[0] == "tests" && w[1] != "src" && w[2].ends_with(".rs"));
    !in_test_module || words.contains(&"src") || words.last() == Some(&"main.rs")
}
