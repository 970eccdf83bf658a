//! Which crate may depend on which, and which one owns a driver.
//!
//! The table is the picture in `docs/ARCHITECTURE.md`; a new row or edge is an architectural decision.

use super::manifest::{Dependency, Manifest};
use std::collections::BTreeSet;

const EDGES: [(&str, &[&str]); 17] = [
    ("jfs-types", &[]),
    ("jfs-telemetry", &["jfs-types"]),
    ("jfs-commands", &["jfs-types", "jfs-telemetry"]),
    ("jfs-meta", &["jfs-types", "jfs-telemetry"]),
    ("jfs-meta-sql", &["jfs-types", "jfs-telemetry", "jfs-meta"]),
    (
        "jfs-meta-redis",
        &["jfs-types", "jfs-telemetry", "jfs-meta"],
    ),
    ("jfs-crypt", &[]),
    ("jfs-object", &["jfs-types", "jfs-telemetry", "jfs-crypt"]),
    ("jfs-cache", &["jfs-types", "jfs-telemetry"]),
    (
        "jfs-chunk",
        &["jfs-types", "jfs-telemetry", "jfs-object", "jfs-cache"],
    ),
    (
        "jfs-vfs",
        &["jfs-types", "jfs-telemetry", "jfs-meta", "jfs-chunk"],
    ),
    (
        "jfs-maint",
        &[
            "jfs-types",
            "jfs-telemetry",
            "jfs-meta",
            "jfs-chunk",
            "jfs-object",
        ],
    ),
    (
        "jfs-control",
        &["jfs-types", "jfs-telemetry", "jfs-meta", "jfs-vfs"],
    ),
    (
        "jfs-fuse",
        &["jfs-types", "jfs-telemetry", "jfs-vfs", "jfs-control"],
    ),
    (
        "jfs",
        &[
            "jfs-types",
            "jfs-telemetry",
            "jfs-meta",
            "jfs-meta-sql",
            "jfs-meta-redis",
            "jfs-crypt",
            "jfs-object",
            "jfs-cache",
            "jfs-chunk",
            "jfs-vfs",
            "jfs-control",
            "jfs-maint",
        ],
    ),
    ("jfs-testkit", &[]),
    ("xtask", &["jfs-testkit", "jfs-commands"]),
];

/// Binaries wire parts together but leave engines and stores to the facade.
const BINARIES: [&str; 7] = [
    "jfs",
    "jfs-commands",
    "jfs-fuse",
    "jfs-telemetry",
    "jfs-types",
    "jfs-vfs",
    "jfs-maint",
];

/// Crates that only one of ours may use, so that its types stay at one edge of the system.
const OWNED: [(&str, &[&str]); 10] = [
    ("rusqlite", &["jfs-meta-sql"]),
    ("redis", &["jfs-meta-redis"]),
    ("tokio-postgres", &["jfs-meta-sql"]),
    ("opendal", &["jfs-object"]),
    ("reqwest", &["jfs-object"]),
    ("rustls", &["jfs-object", "jfs-meta-sql"]),
    ("aws-lc-rs", &["jfs-crypt"]),
    ("fuser", &["jfs-fuse"]),
    ("prometheus", &["jfs-telemetry"]),
    ("anyhow", &["jfs-cli", "jfs-mount", "xtask"]),
];

pub(super) fn check(manifests: &[Manifest]) -> Vec<String> {
    manifests.iter().flat_map(check_one).collect()
}

fn check_one(manifest: &Manifest) -> Vec<String> {
    let (path, name) = (manifest.path.display(), manifest.name.as_str());
    let in_tests = name == "jfs-tests";
    let allowed: BTreeSet<&str> = match EDGES.iter().find(|(crate_name, _)| *crate_name == name) {
        Some((_, edges)) => edges.iter().copied().collect(),
        None if manifest.path.starts_with("bins") => BINARIES.into(),
        None if in_tests => BTreeSet::new(),
        None => {
            return vec![format!(
                "{path}: {name} is not in the table of xtask/src/tidy/edges.rs"
            )];
        }
    };
    let below = closure(&allowed);
    let mut violations = Vec::new();
    for dependency in &manifest.dependencies {
        let wanted = dependency.name.as_str();
        let ours = wanted == "jfs" || wanted.starts_with("jfs-");
        if ours && !in_tests {
            violations
                .extend(judge(name, dependency, &allowed, &below).map(|v| format!("{path}: {v}")));
        }
        let owners = OWNED
            .iter()
            .find(|(owned, _)| *owned == wanted)
            .map(|(_, owners)| *owners);
        if owners.is_some_and(|owners| !owners.contains(&name)) && !dependency.dev && !in_tests {
            let owners = owners.unwrap_or_default().join(", ");
            violations.push(format!("{path}: {wanted} belongs to {owners}"));
        }
    }
    violations
}

fn judge(
    name: &str,
    dependency: &Dependency,
    allowed: &BTreeSet<&str>,
    below: &BTreeSet<&str>,
) -> Option<String> {
    let wanted = dependency.name.as_str();
    let fine = match dependency.dev {
        // Tests of a crate may build what lies below it, at any depth.
        true => wanted == "jfs-testkit" || below.contains(wanted),
        false => allowed.contains(wanted),
    };
    if fine {
        None
    } else if wanted == "jfs-testkit" {
        Some(format!(
            "{name} may use jfs-testkit only as a dev-dependency"
        ))
    } else {
        Some(format!("{name} may not depend on {wanted}"))
    }
}

/// Everything that can be reached from `crates`.
fn closure<'a>(crates: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = crates.iter().copied().collect();
    while let Some(name) = waiting.pop() {
        if reached.insert(name) {
            let row = EDGES.iter().find(|(crate_name, _)| *crate_name == name);
            waiting.extend(row.map(|(_, edges)| *edges).unwrap_or_default());
        }
    }
    reached
}
