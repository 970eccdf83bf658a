//! The licences of the libraries that are linked into the programs: names first, then each text once.

use super::{target, text_of};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Starts of the names of files with licences and notices, in capitals.
const FILES: [&str; 6] = [
    "LICENSE",
    "LICENCE",
    "COPYING",
    "COPYRIGHT",
    "NOTICE",
    "UNLICENSE",
];
const RULE: &str =
    "\n--------------------------------------------------------------------------------\n";

/// The text of `THIRD-PARTY.txt`.
pub(super) fn text() -> Result<String> {
    let metadata = metadata()?;
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .filter_map(|p| Some((p["id"].as_str()?, p)))
        .collect();
    let mut names = String::from("jfs is linked with these libraries. Their licences follow.\n\n");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in linked(&metadata, &packages) {
        let package = packages
            .get(id)
            .with_context(|| format!("cargo does not describe {id}"))?;
        if package["source"].is_null() {
            continue;
        }
        let field = |name: &str| package[name].as_str().unwrap_or("unknown").to_owned();
        let title = format!("{} {}", field("name"), field("version"));
        names.push_str(&format!("{title}: {}\n", field("license")));
        let manifest = field("manifest_path");
        for text in licences(
            Path::new(&manifest)
                .parent()
                .context("a manifest lies in a directory")?,
        )? {
            texts.entry(text).or_default().push(title.clone());
        }
    }
    for (text, titles) in texts {
        names.push_str(&format!(
            "{RULE}{}\n\n{}\n",
            titles.join(", "),
            text.trim_end()
        ));
    }
    Ok(names)
}

fn metadata() -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        &target(),
    ]);
    command.args(["--features", "jfs-cli/mimalloc,jfs-mount/mimalloc"]);
    serde_json::from_str(&text_of(&mut command)?).context("cargo metadata printed no JSON")
}

/// Packages that the programs need when they run: no build scripts, no macros, no tests.
fn linked<'a>(metadata: &'a Value, packages: &BTreeMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let ours = packages
        .iter()
        .filter(|(_, p)| p["name"] == "jfs-cli" || p["name"] == "jfs-mount");
    let mut waiting: Vec<&str> = ours.map(|(id, _)| *id).collect();
    let mut reached = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let is_macro = packages.get(id).is_some_and(|p| {
            list(&p["targets"]).any(|target| list(&target["kind"]).any(|kind| kind == "proc-macro"))
        });
        if is_macro || !reached.insert(id) {
            continue;
        }
        let dependencies = nodes
            .get(id)
            .into_iter()
            .flat_map(|node| list(&node["deps"]));
        let normal =
            dependencies.filter(|d| list(&d["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        waiting.extend(normal.filter_map(|d| d["pkg"].as_str()));
    }
    reached
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn licences(directory: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().to_uppercase())
            .unwrap_or_default();
        if path.is_file() && FILES.iter().any(|start| name.starts_with(start)) {
            texts.push(fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?);
        }
    }
    texts.sort();
    Ok(texts)
}
