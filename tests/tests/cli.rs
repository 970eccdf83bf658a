//! Command lines: what `config` stores against the reference, `bench`, the files of `deploy/`, mount points that are taken or
//! hang, secrets, odd surroundings, and the command lines of the tutorial, through a link named `juicefs`. Needs `/dev/fuse`
//! and root.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/deploy.rs"]
mod deploy;
#[path = "cli/mount_points.rs"]
mod mount_points;
#[path = "cli/mount_surroundings.rs"]
mod mount_surroundings;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/tutorial.rs"]
mod tutorial;
