//! Command lines: what `config` stores against the reference, mount points that are taken or hang, secrets,
//! odd surroundings, and the command lines of the tutorial, through a link named `juicefs`. Needs `/dev/fuse` and root.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "cli/config.rs"]
mod config;
#[path = "cli/mounting.rs"]
mod mounting;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/surroundings.rs"]
mod surroundings;
#[path = "cli/tutorial.rs"]
mod tutorial;
