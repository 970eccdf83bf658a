//! The public items of the crates whose interfaces are meant to be stable, as committed lists.
//!
//! `docs/api/CRATE.txt` has one line for each public item. A change of an interface shows as a change of
//! such a file. The list is made from the sources by `syn`: types stand as the source spells them, and
//! items that a macro makes stand as the macro and its invocation.

mod lines;
mod macros;
mod names;
mod print;
mod source;

use crate::paths;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The crates with a list.
const CRATES: [&str; 5] = ["jfs-meta", "jfs-chunk", "jfs-cache", "jfs-vfs", "jfs-fuse"];
/// Differences of one crate that are shown; more say nothing new.
const SHOWN_MAX: usize = 20;

/// `cargo xtask api [--write]`: compares the lists with the sources, or writes the lists anew.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        [] => {
            let violations = check(paths::root())?;
            for line in &violations {
                println!("{line}");
            }
            match violations.is_empty() {
                true => Ok(()),
                false => bail!("the lists in docs/api differ from the sources"),
            }
        }
        ["--write"] => write(paths::root()),
        other => bail!("unknown arguments {other:?}; see cargo xtask help"),
    }
}

/// Writes the list of every crate that the checkout has.
pub(crate) fn write(root: &Path) -> Result<()> {
    for name in present(root) {
        let path = root.join(list_path(name));
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, list(root, name)?).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

/// One line for each item that is in a list or in the sources but not in both.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for name in present(root) {
        let path = list_path(name);
        let current = list(root, name)?;
        let committed = fs::read_to_string(root.join(&path)).unwrap_or_default();
        violations.extend(differences(&path, &committed, &current));
    }
    Ok(violations)
}

fn differences(path: &str, committed: &str, current: &str) -> Vec<String> {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (committed.lines().collect(), current.lines().collect());
    let gone = old.difference(&new).map(|line| ("gone", line));
    let added = new.difference(&old).map(|line| ("new", line));
    let all: Vec<_> = gone.chain(added).collect();
    let mut shown: Vec<String> = all
        .iter()
        .take(SHOWN_MAX)
        .map(|(what, line)| {
            format!("{path}: {what}: {line} (meant? then `cargo xtask api --write`)")
        })
        .collect();
    if all.len() > SHOWN_MAX {
        shown.push(format!(
            "{path}: {} more lines differ",
            all.len() - SHOWN_MAX
        ));
    }
    if all.is_empty() && committed != current {
        shown.push(format!("{path}: another order; `cargo xtask api --write`"));
    }
    shown
}

fn list(root: &Path, name: &str) -> Result<String> {
    let sources = source::Crate::read(name, &root.join("crates").join(name).join("src"))?;
    let mut text = format!("# Public items of {name}, by `cargo xtask api --write`.\n");
    for line in lines::all(&sources)? {
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

fn present(root: &Path) -> impl Iterator<Item = &'static str> {
    let has = move |name: &&str| root.join("crates").join(name).join("src/lib.rs").is_file();
    CRATES.into_iter().filter(has)
}

fn list_path(name: &str) -> String {
    format!("docs/api/{name}.txt")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const LIB: &str = "\
//! A crate.
mod inner;
pub mod open;
#[doc(hidden)]
pub mod fuzzing { pub fn secret() {} }
pub use inner::{Thing, make as build};
pub use std::time::Duration as Span;
#[cfg(test)]
mod tests { pub fn not_there() {} }
";
    const INNER: &str = "\
//! Inner.
use super::open::Shape;
/// A thing.
#[derive(Clone, Debug)]
pub struct Thing { pub size: u64, hidden: u8 }
impl Thing {
    /// Grows.
    pub fn grow(&mut self, mut by: u64) -> Result<u64, String> { by += 1; Ok(by) }
    pub(crate) fn quiet(&self) {}
}
impl Shape for Thing { fn sides(&self) -> u32 { 4 } }
pub fn make<T: Into<u64>>(size: T) -> Thing { todo!() }
pub fn unreachable() {}
";
    const OPEN: &str = "\
//! Open.
/// A shape.
pub trait Shape { fn sides(&self) -> u32; fn round(&self) -> bool { false } }
/// Kinds.
pub enum Kind { A, B(u8), C { of: String } }
numbers! { ONE 1 }
macro_rules! numbers { ($($name:ident $value:literal)*) => { $(/// A number.
pub const $name: u64 = $value;)* } }
";

    fn checkout() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let src = dir.path().join("crates/jfs-meta/src");
        fs::create_dir_all(&src).unwrap();
        fs::write(src.join("lib.rs"), LIB).unwrap();
        fs::write(src.join("inner.rs"), INNER).unwrap();
        fs::write(src.join("open.rs"), OPEN).unwrap();
        dir
    }

    #[test]
    fn a_list_has_what_can_be_named_and_nothing_else() {
        let dir = checkout();
        write(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join("docs/api/jfs-meta.txt")).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "pub use std::time::Duration as jfs_meta::Span",
                "pub struct jfs_meta::Thing { .. }",
                "impl Clone for jfs_meta::Thing",
                "impl Debug for jfs_meta::Thing",
                "impl Shape for jfs_meta::Thing",
                "pub fn jfs_meta::Thing::grow(&mut self, by: u64) -> Result<u64, String>",
                "pub jfs_meta::Thing::size: u64",
                "pub fn jfs_meta::build<T: Into<u64>>(size: T) -> Thing",
                "pub mod jfs_meta::open",
                "pub enum jfs_meta::open::Kind",
                "jfs_meta::open::Kind::A",
                "jfs_meta::open::Kind::B(u8)",
                "jfs_meta::open::Kind::C { of: String }",
                "pub trait jfs_meta::open::Shape",
                "fn jfs_meta::open::Shape::round(&self) -> bool { .. }",
                "fn jfs_meta::open::Shape::sides(&self) -> u32",
                "call jfs_meta::open::numbers! ONE 1",
                "macro jfs_meta::open::numbers! ($($name: ident $value: literal) *) => { $(pub const $name: u64 = $value;) * }",
            ]
        );
        assert_eq!(check(dir.path()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_changed_signature_is_a_line_gone_and_a_line_new() {
        let dir = checkout();
        write(dir.path()).unwrap();
        let inner = dir.path().join("crates/jfs-meta/src/inner.rs");
        fs::write(inner, INNER.replace("mut by: u64", "by: u32")).unwrap();
        let found = check(dir.path()).unwrap();
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(
            found[0].contains("gone: pub fn jfs_meta::Thing::grow(&mut self, by: u64)"),
            "{found:#?}"
        );
        assert!(
            found[1].contains("new: pub fn jfs_meta::Thing::grow(&mut self, by: u32)"),
            "{found:#?}"
        );
    }
}
