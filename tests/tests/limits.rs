//! Limits and bad input: what is damaged, missing, hanging or nonsense gives one clear error and an exit code
//! other than 0, or EIO on the file concerned while the others are served; nothing is lost and nothing hangs.
//!
//! Through the real programs, as a user meets it.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "limits/blocks.rs"]
mod blocks;
#[path = "limits/bucket.rs"]
mod bucket;
#[path = "limits/cache.rs"]
mod cache;
#[path = "limits/damaged_volume.rs"]
mod damaged_volume;
#[path = "limits/database.rs"]
mod database;
#[path = "limits/ending_mounts.rs"]
mod ending_mounts;
#[path = "limits/engine_away.rs"]
mod engine_away;
#[path = "limits/memory.rs"]
mod memory;
#[path = "limits/records.rs"]
mod records;
#[path = "limits/typed_values.rs"]
mod typed_values;
