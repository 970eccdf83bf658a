//! Reading member manifests, as far as the rules need: names, dependencies, where versions come from.

use super::Tree;
use anyhow::{Context, Result};
use std::path::PathBuf;

/// One member of the workspace.
pub(super) struct Manifest {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
    /// Features of the member itself, and what each enables.
    pub(super) features: Vec<(String, Vec<String>)>,
    inherits_lints: bool,
}

pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) dev: bool,
    /// Features that are asked for in this place.
    pub(super) features: Vec<String>,
    inherits: bool,
}

/// Packages that are workspaces of their own.
const OUTSIDE: [&str; 2] = ["fuzz", "examples"];

/// All members, which are the manifests below the top one and not [`OUTSIDE`].
pub(super) fn read_all(tree: &Tree) -> Result<Vec<Manifest>> {
    let manifests = tree.with_extension("toml").filter(|(path, _)| {
        let outside = OUTSIDE.iter().any(|top| path.starts_with(top));
        let member = path.components().count() > 1 && !outside;
        member && path.file_name().is_some_and(|n| n == "Cargo.toml")
    });
    manifests
        .map(|(path, text)| {
            let manifest = parse(path.to_owned(), text);
            let named = (!manifest.name.is_empty()).then_some(manifest);
            named.with_context(|| format!("{}: no name", path.display()))
        })
        .collect()
}

/// Lints are inherited, and every version is in the workspace's own table.
pub(super) fn check(manifests: &[Manifest]) -> Vec<String> {
    let mut violations = Vec::new();
    for manifest in manifests {
        let path = manifest.path.display();
        if !manifest.inherits_lints {
            violations.push(format!("{path}: [lints] workspace = true is missing"));
        }
        let own = manifest.dependencies.iter().filter(|d| !d.inherits);
        violations.extend(own.map(|dependency| {
            format!(
                "{path}: {}: versions belong into the workspace's Cargo.toml",
                dependency.name
            )
        }));
    }
    violations
}

/// The table of all versions and features, in the manifest at the top.
pub(super) fn workspace_table(tree: &Tree) -> Vec<Dependency> {
    let top = parse(
        PathBuf::from("Cargo.toml"),
        tree.text("Cargo.toml").unwrap_or_default(),
    );
    top.dependencies
}

fn parse(path: PathBuf, text: &str) -> Manifest {
    let mut manifest = Manifest {
        path,
        name: String::new(),
        dependencies: Vec::new(),
        features: Vec::new(),
        inherits_lints: false,
    };
    let mut table = String::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').trim_matches('[').to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        match table.as_str() {
            "package" if key == "name" => manifest.name = value.trim_matches('"').to_owned(),
            "lints" => manifest.inherits_lints |= key == "workspace" && value == "true",
            t if t.ends_with("dependencies") => manifest.dependencies.push(Dependency {
                name: key.split('.').next().unwrap_or(key).to_owned(),
                dev: t.ends_with("dev-dependencies"),
                features: asked_features(value),
                inherits: key.ends_with(".workspace") || value.contains("workspace = true"),
            }),
            "features" => manifest.features.push((key.to_owned(), quoted(value))),
            _ => {}
        }
    }
    manifest
}

/// The list `features = [..]` of an inline table.
fn asked_features(value: &str) -> Vec<String> {
    let dense: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let start = ["{features=[", ",features=["]
        .iter()
        .find_map(|start| dense.split_once(start));
    let list = start.and_then(|(_, rest)| rest.split(']').next());
    list.map(quoted).unwrap_or_default()
}

/// Everything between double quotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
