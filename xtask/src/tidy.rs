//! The rules of this repository that a machine can check. Each check returns one line per violation,
//! with the place and what to do.

mod edges;
mod features;
mod links;
mod manifest;
mod promises;
mod sources;
mod unused;
mod words;

use crate::{api, paths};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Directories that hold no text of ours.
const SKIPPED: [&str; 5] = [
    "target",
    ".git",
    ".services",
    "bench/results",
    "__pycache__",
];

pub(crate) fn run() -> Result<()> {
    let violations = check(paths::root())?;
    for line in &violations {
        println!("{line}");
    }
    match violations.len() {
        0 => Ok(()),
        count => bail!("tidy found {count} violations"),
    }
}

/// Every violation in the checkout at `root`, sorted.
fn check(root: &Path) -> Result<Vec<String>> {
    let tree = Tree::read(root)?;
    let manifests = manifest::read_all(&tree)?;
    let mut violations = manifest::check(&manifests);
    violations.extend(edges::check(&manifests));
    let table = manifest::workspace_table(&tree);
    violations.extend(unused::check(&tree, &manifests, &table));
    violations.extend(features::check(&tree, &manifests, &table));
    violations.extend(sources::check(&tree));
    violations.extend(words::check(&tree));
    violations.extend(links::check(&tree));
    violations.extend(promises::check(&tree));
    violations.extend(api::check(root)?);
    violations.sort();
    Ok(violations)
}

/// The text files of a checkout. Paths are relative to its top.
struct Tree {
    files: Vec<(PathBuf, String)>,
    /// Every path, directories and binary files included, for links.
    paths: Vec<PathBuf>,
}

impl Tree {
    fn read(root: &Path) -> Result<Self> {
        let mut tree = Self {
            files: Vec::new(),
            paths: Vec::new(),
        };
        let own = |path: &Path| !SKIPPED.iter().any(|s| path.ends_with(s));
        let walk = WalkDir::new(root).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|e| e.depth() == 0 || own(e.path())) {
            let entry = entry?;
            let path = entry
                .path()
                .strip_prefix(root)
                .context("walked out of the checkout")?;
            tree.paths.push(path.to_owned());
            if entry.file_type().is_file() && is_text(path) {
                // A file that an editor has just replaced, or that is no UTF-8, is not judged.
                if let Ok(text) = std::fs::read_to_string(entry.path()) {
                    tree.files.push((path.to_owned(), text));
                }
            }
        }
        Ok(tree)
    }

    /// Files with this extension.
    fn with_extension<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = (&'a Path, &'a str)> {
        let files = self
            .files
            .iter()
            .map(|(path, text)| (path.as_path(), text.as_str()));
        files.filter(move |(path, _)| path.extension().is_some_and(|e| e == wanted))
    }

    fn text(&self, wanted: &str) -> Option<&str> {
        let file = self
            .files
            .iter()
            .find(|(path, _)| path == Path::new(wanted));
        file.map(|(_, text)| text.as_str())
    }
}

fn is_text(path: &Path) -> bool {
    match path.extension().and_then(|e| e.to_str()) {
        Some(extension) => ["rs", "md", "toml", "py", "sh", "yml"].contains(&extension),
        None => path.starts_with("scripts") || path.starts_with(".ci"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs;

    const MEMBER: &str =
        "[package]\nname = \"NAME\"\n\n[lints]\nworkspace = true\n\n[dependencies]\n";

    /// A checkout with nothing wrong: two crates, a document with a link and a promise with its test.
    fn tidy_checkout() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        put(
            &dir,
            "Cargo.toml",
            "[workspace]\nmembers = [\"crates/*\"]\n",
        );
        put(
            &dir,
            "crates/jfs-types/Cargo.toml",
            &MEMBER.replace("NAME", "jfs-types"),
        );
        // Both name more crates than they depend on, so that a seeded dependency is not an unused one, too.
        let names = "use jfs_types::A;\nuse jfs_meta::B;\nuse rusqlite::C;\nuse jfs_testkit::D;\nuse bytes::E;\n";
        put(
            &dir,
            "crates/jfs-types/src/lib.rs",
            &format!("//! Words.\n{names}"),
        );
        let meta = MEMBER.replace("NAME", "jfs-meta") + "jfs-types.workspace = true\n";
        put(&dir, "crates/jfs-meta/Cargo.toml", &meta);
        put(
            &dir,
            "crates/jfs-meta/src/lib.rs",
            &format!("//! Meaning.\n{names}fn reads_back() {{}}\n"),
        );
        put(
            &dir,
            "docs/A.md",
            "# A title\n\nSee [b](B.md#second-part).\n",
        );
        put(&dir, "docs/B.md", "# B\n\n## Second part\n");
        put(
            &dir,
            "docs/SEMANTICS.md",
            "What is written reads back.\nTest: `reads_back`\n",
        );
        api::write(dir.path()).unwrap();
        dir
    }

    fn put(dir: &tempfile::TempDir, path: &str, text: &str) {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The one violation that appears when `path` gets `text`.
    #[track_caller]
    fn seeded(path: &str, text: &str, expected: &str) {
        let dir = tidy_checkout();
        assert_eq!(
            check(dir.path()).unwrap(),
            Vec::<String>::new(),
            "before the seed"
        );
        put(&dir, path, text);
        let found = check(dir.path()).unwrap();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].contains(expected),
            "{} does not say {expected:?}",
            found[0]
        );
    }

    fn manifest(name: &str, dependencies: &str) -> String {
        MEMBER.replace("NAME", name) + dependencies
    }

    #[test]
    fn an_edge_upwards_is_found() {
        let text = manifest("jfs-types", "jfs-meta.workspace = true\n");
        seeded(
            "crates/jfs-types/Cargo.toml",
            &text,
            "jfs-types may not depend on jfs-meta",
        );
    }

    #[test]
    fn a_driver_in_the_wrong_crate_is_found() {
        let text = manifest(
            "jfs-meta",
            "rusqlite = { workspace = true, features = [\"bundled\"] }\n",
        );
        seeded(
            "crates/jfs-meta/Cargo.toml",
            &text,
            "rusqlite belongs to jfs-meta-sql",
        );
    }

    #[test]
    fn the_test_kit_in_a_product_is_found() {
        let text = manifest("jfs-meta", "jfs-testkit.workspace = true\n");
        seeded(
            "crates/jfs-meta/Cargo.toml",
            &text,
            "only as a dev-dependency",
        );
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        put_member("jfs-new", "jfs-new is not in the table");
    }

    fn put_member(name: &str, expected: &str) {
        seeded(
            &format!("crates/{name}/Cargo.toml"),
            &manifest(name, ""),
            expected,
        );
    }

    #[test]
    fn a_version_outside_the_workspace_table_is_found() {
        seeded(
            "crates/jfs-meta/Cargo.toml",
            &manifest("jfs-meta", "bytes = \"1\"\n"),
            "bytes",
        );
    }

    #[test]
    fn an_unused_dependency_is_found() {
        let text = manifest(
            "jfs-meta",
            "jfs-types.workspace = true\nurl.workspace = true\n",
        );
        seeded(
            "crates/jfs-meta/Cargo.toml",
            &text,
            "url: nothing in src names it",
        );
        let text = manifest(
            "jfs-meta",
            "jfs-types.workspace = true\n[dev-dependencies]\nurl.workspace = true\n",
        );
        seeded(
            "crates/jfs-meta/Cargo.toml",
            &text,
            "url: nothing in the crate names it",
        );
        let text = "[workspace]\n[workspace.dependencies]\nurl = \"2\"\n";
        seeded("Cargo.toml", text, "url: no crate of ours depends on it");
    }

    #[test]
    fn a_feature_that_nothing_needs_is_found() {
        let text = manifest(
            "jfs-meta",
            "jfs-types.workspace = true\n[features]\ndead = []\n",
        );
        seeded(
            "crates/jfs-meta/Cargo.toml",
            &text,
            "feature dead enables nothing",
        );
        let with = |features: &str| {
            let asked = format!("bytes = {{ workspace = true, features = [{features}] }}\n");
            manifest("jfs-meta", &asked)
        };
        seeded(
            "crates/jfs-meta/Cargo.toml",
            &with("\"x\""),
            "bytes: feature x:",
        );
        let opendal = "jfs-types.workspace = true\nopendal = { workspace = true, features = [\"services-s3\"] }\n";
        let dir = tidy_checkout();
        put(
            &dir,
            "crates/jfs-meta/Cargo.toml",
            &manifest("jfs-meta", opendal),
        );
        let found = check(dir.path()).unwrap().join("\n");
        assert!(
            found.contains("opendal: feature services-s3: no source has services::S3"),
            "{found}"
        );
    }

    #[test]
    fn a_public_item_that_is_not_listed_is_found() {
        let text = "//! Meaning.\nuse jfs_types::A;\nfn reads_back() {}\npub fn more() {}\n";
        seeded(
            "crates/jfs-meta/src/lib.rs",
            text,
            "docs/api/jfs-meta.txt: new: pub fn jfs_meta::more()",
        );
    }

    #[test]
    fn lints_that_are_not_inherited_are_found() {
        let text = "[package]\nname = \"jfs-meta\"\n[dependencies]\n";
        seeded(
            "crates/jfs-meta/Cargo.toml",
            text,
            "[lints] workspace = true",
        );
    }

    #[test]
    fn a_module_without_its_purpose_is_found() {
        seeded(
            "crates/jfs-meta/src/other.rs",
            "fn f() {}\n",
            "other.rs: does not start with //!",
        );
    }

    #[test]
    fn a_long_file_is_found() {
        let text = "//! Long.\n".to_owned() + &"\n".repeat(sources::LINES_MAX);
        seeded("crates/jfs-meta/src/long.rs", &text, "801 lines");
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let text = format!("Unpack to {}x.\n", concat!("/wo", "rk/"));
        seeded("docs/C.md", &text, "docs/C.md:1: a path of one machine");
    }

    #[test]
    fn a_todo_without_words_is_found() {
        let text = format!("//! X.\n// {}\n", concat!("TO", "DO"));
        seeded("crates/jfs-meta/src/x.rs", &text, "x.rs:2");
    }

    #[test]
    fn a_dead_link_and_a_dead_anchor_are_found() {
        seeded("docs/C.md", "[x](none.md)\n", "docs/C.md:1: none.md");
        seeded("docs/C.md", "[x](B.md#third)\n", "docs/C.md:1: B.md#third");
    }

    #[test]
    fn a_promise_without_its_test_is_found() {
        seeded(
            "docs/SEMANTICS.md",
            "Test: `gone`\n",
            "no test is named gone",
        );
        seeded(
            "docs/SEMANTICS.md",
            "Test: `reads_back`,\n`gone`\n\n`no_test` is a word.\n",
            "docs/SEMANTICS.md:2: no test is named gone",
        );
    }
}
