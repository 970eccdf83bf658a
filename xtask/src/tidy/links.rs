//! Links between the documents lead somewhere: to a file that exists and a heading that it has.

use super::Tree;
use std::path::{Component, Path, PathBuf};

pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in tree.with_extension("md") {
        for (number, line) in (1..).zip(text.lines()) {
            let dead = targets(line).filter(|target| !resolves(tree, path, text, target));
            violations.extend(
                dead.map(|target| format!("{}:{number}: {target} leads nowhere", path.display())),
            );
        }
    }
    violations
}

/// The text in the round brackets after square ones, but for links out of the repository.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let pieces = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    let targets = pieces.map(|(target, _)| target);
    targets.filter(|t| !t.contains("://") && !t.starts_with("mailto:") && !t.contains(' '))
}

fn resolves(tree: &Tree, from: &Path, text: &str, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    if file.is_empty() {
        return has_heading(text, anchor);
    }
    let file = normalize(&from.parent().unwrap_or(Path::new("")).join(file));
    if anchor.is_empty() {
        return file.as_os_str().is_empty() || tree.paths.contains(&file);
    }
    tree.text(&file.to_string_lossy())
        .is_some_and(|text| has_heading(text, anchor))
}

fn normalize(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = clean.pop(),
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = text.lines().filter(|l| l.starts_with('#'));
    headings
        .map(|l| slug(l.trim_start_matches('#').trim()))
        .any(|s| s == anchor)
}

/// The anchor that forges make of a heading.
fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
