//! Dependencies that no source of the crate names.
//!
//! A dependency counts as used where its name stands as the first word of a path (`bytes::Bytes`) or behind
//! `use`, outside of comments. A normal dependency must be named in `src`, one for tests anywhere in the crate.

use super::Tree;
use super::manifest::{Dependency, Manifest};
use std::path::Path;

/// Packages whose library has another name.
const LIBRARIES: [(&str, &str); 1] = [("md-5", "md5")];

pub(super) fn check(tree: &Tree, manifests: &[Manifest], table: &[Dependency]) -> Vec<String> {
    let mut violations = Vec::new();
    for manifest in manifests {
        let path = manifest.path.display();
        for dependency in manifest
            .dependencies
            .iter()
            .filter(|d| !is_used(tree, manifest, d))
        {
            let named_elsewhere = !dependency.dev && names_anywhere(tree, manifest, dependency);
            let place = match (dependency.dev, named_elsewhere) {
                (true, _) => "nothing in the crate names it",
                (false, true) => "only tests or examples name it, so it is a dev-dependency",
                (false, false) => "nothing in src names it",
            };
            violations.push(format!("{path}: {}: {place}", dependency.name));
        }
    }
    let wanted = |name: &str| {
        manifests
            .iter()
            .flat_map(|m| &m.dependencies)
            .any(|d| d.name == name)
    };
    let unwanted = table.iter().filter(|entry| !wanted(&entry.name));
    violations.extend(
        unwanted.map(|entry| format!("Cargo.toml: {}: no crate of ours depends on it", entry.name)),
    );
    violations
}

fn is_used(tree: &Tree, manifest: &Manifest, dependency: &Dependency) -> bool {
    sources(tree, manifest, dependency.dev).any(|text| names_crate(text, &library(dependency)))
}

fn names_anywhere(tree: &Tree, manifest: &Manifest, dependency: &Dependency) -> bool {
    sources(tree, manifest, true).any(|text| names_crate(text, &library(dependency)))
}

/// The name of a dependency in sources.
fn library(dependency: &Dependency) -> String {
    let other = LIBRARIES
        .iter()
        .find(|(package, _)| *package == dependency.name);
    other.map_or_else(
        || dependency.name.replace('-', "_"),
        |(_, name)| (*name).to_owned(),
    )
}

/// The sources of a member that may use a dependency of this kind.
fn sources<'a>(tree: &'a Tree, manifest: &Manifest, dev: bool) -> impl Iterator<Item = &'a str> {
    let top = manifest.path.parent().unwrap_or(Path::new("")).to_owned();
    let of_product = [top.join("src"), top.join("build.rs")];
    let files = tree
        .with_extension("rs")
        .filter(move |(path, _)| match dev {
            true => path.starts_with(&top),
            false => of_product.iter().any(|start| path.starts_with(start)),
        });
    files.map(|(_, text)| text)
}

/// True when `word` is the first word of a path, or is imported, in a line that is no comment.
fn names_crate(text: &str, word: &str) -> bool {
    let code = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"));
    code.into_iter().any(|line| {
        line.match_indices(word).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + word.len()..]);
            let inside = before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                || (before.ends_with("::")
                    && before
                        .trim_end_matches("::")
                        .ends_with(|c: char| c.is_alphanumeric() || "_>".contains(c)));
            let imported = before.trim_end().ends_with("use") && after.starts_with([';', ' ']);
            !inside && (after.starts_with("::") || imported)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::names_crate;

    #[test]
    fn a_crate_is_named_by_paths_and_imports_only() {
        for used in [
            "use url::Url;",
            "let u = ::url::Url::parse(x);",
            "#[url::main]",
            "use url;",
            "    pub use url as u;",
        ] {
            assert!(names_crate(used, "url"), "{used}");
        }
        for unused in [
            "// use url::Url;",
            "use crate::url::Url;",
            "let url = 1;",
            "my_url::Url",
            "use super::url;",
        ] {
            assert!(!names_crate(unused, "url"), "{unused}");
        }
    }
}
