//! Features that nothing needs: those of our crates, and those that the workspace asks others for.
//!
//! Whether a feature of another crate is needed shows in general only when it is missing. So each one has a row:
//! words of which our sources must have one, or the reason why no word shows it.

use super::Tree;
use super::manifest::{Dependency, Manifest};
use std::path::Path;

/// What shows that a feature is needed.
enum Evidence {
    /// One of these stands in the sources of a crate that has the dependency.
    Words(&'static [&'static str]),
    /// Nothing in the sources; this is the reason.
    Reason(&'static str),
}

use Evidence::{Reason, Words};

const ROWS: &[(&str, &str, Evidence)] = &[
    (
        "aes-gcm",
        "alloc",
        Words(&["AeadInOut", "AeadInPlace", "Aead"]),
    ),
    (
        "aws-lc-rs",
        "aws-lc-sys",
        Reason("the library itself, without the FIPS build"),
    ),
    ("cbc", "alloc", Words(&["decrypt_padded_vec"])),
    ("cbc", "block-padding", Words(&["block_padding"])),
    ("clap", "derive", Words(&["Parser"])),
    (
        "clap",
        "error-context",
        Words(&["ContextKind", "ContextValue"]),
    ),
    ("clap", "help", Reason("help texts")),
    ("clap", "std", Reason("the parser itself")),
    (
        "clap",
        "string",
        Reason("names of manual pages, made when they are written"),
    ),
    ("clap", "usage", Reason("the usage line of a refusal")),
    (
        "clap",
        "wrap_help",
        Reason("help texts as wide as the terminal"),
    ),
    (
        "futures-util",
        "async-await",
        Words(&["futures_util::poll!", "futures_util::join!"]),
    ),
    (
        "futures-util",
        "async-await-macro",
        Words(&["futures_util::join!", "futures_util::select!"]),
    ),
    (
        "futures-util",
        "std",
        Words(&["join_all", "FuturesUnordered"]),
    ),
    ("hyper", "http1", Words(&["conn::http1"])),
    ("hyper", "server", Words(&["hyper::server"])),
    ("hyper-util", "tokio", Words(&["TokioIo"])),
    (
        "lz4_flex",
        "checked-decode",
        Reason("stored bytes are not trusted"),
    ),
    (
        "lz4_flex",
        "safe-encode",
        Reason("no unsafe code where speed allows"),
    ),
    ("lz4_flex", "std", Reason("the library's table of errors")),
    ("moka", "sync", Words(&["moka::sync"])),
    (
        "mysql_async",
        "aws-lc-rs",
        Reason("the provider of TLS that the rest of the program has"),
    ),
    (
        "mysql_async",
        "minimal-rust",
        Reason("the driver builds with a compression library only, this one is Rust"),
    ),
    ("mysql_async", "rustls-tls", Words(&["SslOpts"])),
    (
        "mysql_async",
        "tls12",
        Reason("MariaDB and MySQL with older TLS libraries speak nothing newer"),
    ),
    ("nix", "fs", Words(&["nix::fcntl", "nix::sys::stat"])),
    ("nix", "mount", Words(&["nix::mount"])),
    ("nix", "net", Words(&["nix::ifaddrs"])),
    (
        "nix",
        "process",
        Words(&["nix::sys::prctl", "nix::unistd::getppid"]),
    ),
    ("nix", "resource", Words(&["nix::sys::resource"])),
    ("nix", "signal", Words(&["nix::sys::signal"])),
    ("nix", "socket", Words(&["nix::sys::socket"])),
    ("nix", "uio", Words(&["nix::sys::uio"])),
    (
        "nix",
        "user",
        Words(&["nix::unistd::getuid", "nix::unistd::geteuid"]),
    ),
    ("nix", "zerocopy", Words(&["copy_file_range"])),
    (
        "opendal",
        "executors-tokio",
        Reason("without an executor a concurrent write panics"),
    ),
    (
        "opendal-http-transport-reqwest",
        "rustls-no-provider",
        Reason("one TLS library, whose provider the program sets"),
    ),
    (
        "pkcs8",
        "3des",
        Reason("private keys that old tools have encrypted"),
    ),
    (
        "pkcs8",
        "encryption",
        Words(&["EncryptedPrivateKeyInfo", "EncryptedPrivateKeyInfoRef"]),
    ),
    (
        "pkcs8",
        "sha1-insecure",
        Reason("private keys that old tools have encrypted"),
    ),
    ("proptest", "std", Reason("the test runner")),
    (
        "redis",
        "aio",
        Reason("tokio-comp alone is a runtime without connections"),
    ),
    ("redis", "script", Words(&["Script::new"])),
    (
        "redis",
        "tokio-comp",
        Reason("the runtime of its connections"),
    ),
    (
        "reqwest",
        "rustls-no-provider",
        Reason("one TLS library, whose provider the program sets"),
    ),
    ("rusqlite", "bundled", Reason("SQLite itself")),
    ("rusqlite", "cache", Words(&["prepare_cached"])),
    ("rustix", "fs", Words(&["rustix::fs"])),
    ("rustls", "aws_lc_rs", Words(&["crypto::aws_lc_rs"])),
    ("rustls", "std", Reason("connections")),
    (
        "rustls",
        "tls12",
        Reason("object stores that speak no newer protocol"),
    ),
    ("serde", "derive", Words(&["Serialize", "Deserialize"])),
    (
        "serde_json",
        "preserve_order",
        Reason("fields of a setting keep the order in which another client wrote them"),
    ),
    ("syn", "full", Words(&["syn::Item", "parse_file"])),
    ("time", "formatting", Words(&["format_description"])),
    ("time", "local-offset", Words(&["now_local"])),
    (
        "tokio",
        "io-util",
        Words(&["AsyncReadExt", "AsyncWriteExt"]),
    ),
    ("tokio", "fs", Words(&["tokio::fs"])),
    ("tokio", "macros", Words(&["tokio::select!", "tokio::test"])),
    ("tokio", "net", Words(&["tokio::net"])),
    ("tokio", "rt-multi-thread", Words(&["new_multi_thread"])),
    ("tokio", "signal", Words(&["tokio::signal"])),
    ("tokio", "sync", Words(&["tokio::sync"])),
    ("tokio", "time", Words(&["tokio::time"])),
    (
        "tokio-postgres",
        "runtime",
        Words(&["MakeTlsConnect", "config.connect"]),
    ),
    (
        "tokio-rustls",
        "aws_lc_rs",
        Reason("the provider of rustls"),
    ),
    (
        "tokio-rustls",
        "tls12",
        Reason("database servers that speak no newer protocol"),
    ),
    ("tokio-util", "codec", Words(&["tokio_util::codec"])),
    (
        "tracing",
        "log",
        Reason("libraries that log through tracing, where nothing listens"),
    ),
    (
        "tracing-subscriber",
        "registry",
        Words(&["tracing_subscriber::registry", "Registry"]),
    ),
    ("tracing-subscriber", "std", Reason("its layers")),
    (
        "tracing-subscriber",
        "tracing-log",
        Reason("log lines of libraries that use the crate log"),
    ),
    ("uuid", "v4", Words(&["new_v4"])),
];

pub(super) fn check(tree: &Tree, manifests: &[Manifest], table: &[Dependency]) -> Vec<String> {
    let mut violations = dead_features_of_ours(tree, manifests);
    let asked = table
        .iter()
        .chain(manifests.iter().flat_map(|m| &m.dependencies));
    let mut asked: Vec<(&str, &str)> = asked
        .flat_map(|d| d.features.iter().map(|f| (d.name.as_str(), f.as_str())))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    for (name, feature) in asked {
        violations.extend(
            judge(tree, manifests, name, feature)
                .map(|text| format!("Cargo.toml: {name}: feature {feature}: {text}")),
        );
    }
    violations
}

fn judge(tree: &Tree, manifests: &[Manifest], name: &str, feature: &str) -> Option<String> {
    let named = derived(name, feature);
    let row = ROWS.iter().find(|row| row.0 == name && row.1 == feature);
    let words: Vec<&str> = match (row, &named) {
        (Some((_, _, Reason(why))), _) => {
            return why.is_empty().then(|| "the reason is missing".to_owned());
        }
        (Some((_, _, Words(words))), _) => words.to_vec(),
        (None, Some(word)) => vec![word],
        (None, None) => {
            return Some(
                "xtask/src/tidy/features.rs does not say what shows that it is needed".to_owned(),
            );
        }
    };
    let users = manifests
        .iter()
        .filter(|m| m.dependencies.iter().any(|d| d.name == name));
    let mut texts = users.flat_map(|manifest| code(tree, manifest));
    let found = texts.any(|text| words.iter().any(|word| has_word(text, word)));
    (!found).then(|| format!("no source has {}", words.join(", ")))
}

/// The word that a feature of this name stands for, where a crate names its features by a rule.
fn derived(name: &str, feature: &str) -> Option<String> {
    let camel = |dashed: &str| -> String {
        let parts = dashed.split('-').map(|part| {
            let (first, rest) = part.split_at(part.len().min(1));
            first.to_uppercase() + rest
        });
        parts.collect()
    };
    match name {
        "opendal" => match feature.split_once('-')? {
            ("layers", layer) => Some(camel(layer) + "Layer"),
            ("services", service) => Some(format!("services::{}", camel(service))),
            _ => None,
        },
        _ => None,
    }
}

/// A feature of ours must enable something, or a `cfg` must ask for it.
fn dead_features_of_ours(tree: &Tree, manifests: &[Manifest]) -> Vec<String> {
    let mut violations = Vec::new();
    for manifest in manifests {
        for (feature, enables) in &manifest.features {
            let asked = format!("feature = \"{feature}\"");
            let used = code(tree, manifest).any(|text| text.contains(&asked));
            if enables.is_empty() && !used {
                violations.push(format!(
                    "{}: feature {feature} enables nothing and no cfg asks for it",
                    manifest.path.display()
                ));
            }
        }
    }
    violations
}

fn code<'a>(tree: &'a Tree, manifest: &Manifest) -> impl Iterator<Item = &'a str> {
    let top = manifest.path.parent().unwrap_or(Path::new("")).to_owned();
    let files = tree
        .with_extension("rs")
        .filter(move |(path, _)| path.starts_with(&top));
    // This file names every word.
    let files = files.filter(|(path, _)| !path.ends_with("tidy/features.rs"));
    files.map(|(_, text)| text)
}

/// True when `word` stands in `text`, not as the middle of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let starts = word.starts_with(|c| !part(c)) || !before.is_some_and(part);
        starts && (word.ends_with(|c| !part(c)) || !after.is_some_and(part))
    })
}
