//! Words that must not be in the repository: paths of one machine, reminders that remind of nothing.

use super::Tree;

/// Starts of absolute paths that exist only on the machine of one developer.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/opt/jfs", "ref"),
];
const REMINDERS: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
/// A reminder says what is missing and what happens until then, which takes more than this.
const REMINDER_WORDS_MIN: usize = 4;

pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in &tree.files {
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!("{}:{number}", path.display());
            if MACHINE_PATHS.iter().any(|start| names_path(line, start)) {
                violations.push(format!("{place}: a path of one machine"));
            }
            if REMINDERS.iter().any(|word| is_empty_reminder(line, word)) {
                violations.push(format!(
                    "{place}: a reminder that does not say what is missing"
                ));
            }
        }
    }
    violations
}

/// True where `start` begins a path, not where it is the middle of a longer one.
fn names_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "/._}-~$*".contains(c))
    })
}

fn is_empty_reminder(line: &str, word: &str) -> bool {
    let Some((before, after)) = line.split_once(word) else {
        return false;
    };
    let whole =
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
    whole && after.split_whitespace().count() < REMINDER_WORDS_MIN
}
