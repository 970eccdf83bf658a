//! Random operations on a volume with one mount or two, against a reference that is as simple as
//! POSIX allows. Two mounts take turns, with close-to-open between them. Afterwards a new mount sees
//! the same tree, and the bucket holds the blocks of the files and nothing else.
//!
//! `PROPTEST_CASES=5000 cargo test -p jfs-vfs --test model` looks longer. What it finds is kept in
//! `proptest-regressions` and, shrunk and with a name, in `found.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod comparison;
mod content;
mod extended_ops;
mod ops;
mod reference;

use ops::{Scenario, scenario};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

/// Random cases unless PROPTEST_CASES says otherwise.
const CASES: u32 = 200;

fn run(scenario: &Scenario) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(comparison::run(scenario));
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let seeds = FileFailurePersistence::Direct("proptest-regressions/model.txt");
    config.failure_persistence = Some(Box::new(seeds));
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_operations_match_a_reference(scenario in scenario()) {
        run(&scenario);
    }
}
