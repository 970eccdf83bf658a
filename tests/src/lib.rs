//! Shared code of the cross-crate tests: databases of every engine, volumes with several clients, a full
//! record of a volume's state and the rules it must obey, and an engine that fails on purpose.
//!
//! The tests themselves are under `tests/`, one file per subject. Nothing here is part of the product.
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod census;
pub mod census_text;
pub mod compare_trees;
pub mod db;
pub mod ending_commands;
pub mod faulty_engine;
pub mod fsck;
pub mod fuzz;
pub mod local_volume;
pub mod many_records;
pub mod proxy;
pub mod rng;
pub mod scenario;
pub mod sql_database;
pub mod steps;
pub mod syncing_writer;
pub mod volume;
pub mod volume_rules;

pub use census::Census;
pub use db::{Db, Hooks, Kind};
pub use faulty_engine::{Fault, Faulty, Held, Point};
pub use proxy::{Cut, Proxy, Wire};
pub use rng::Rng;
pub use scenario::run;
pub use sql_database::{SqlDatabase, SqlServer};
pub use volume::{Client, Volume};
