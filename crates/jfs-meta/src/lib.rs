//! Every metadata operation of the file system, written once above a small typed engine interface.
//!
//! Start reading at [`Meta`] (what callers use), then [`engine`] (what engines implement), then one
//! file of [`ops`]. This crate has no database driver, knows no blocks and no object store: what
//! must happen to data leaves as [`Work`].

#![forbid(unsafe_code)]

pub mod engine;
pub mod trips;
pub mod wire;

pub use engine::{Attempt, Engine, EngineError};
