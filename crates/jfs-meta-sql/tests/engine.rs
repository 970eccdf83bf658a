//! The SQLite engine through its public interface: what it promises to the code above, what it
//! stores, and what it reads of what the reference client stored.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "engine/busy.rs"]
mod busy;
#[path = "engine/conflicts.rs"]
mod conflicts;
#[path = "engine/data.rs"]
mod data;
#[path = "engine/golden.rs"]
mod golden;
#[path = "engine/listing.rs"]
mod listing;
#[path = "engine/lost_answers.rs"]
mod lost_answers;
#[path = "engine/odd_rows.rs"]
mod odd_rows;
#[path = "engine/older_volumes.rs"]
mod older_volumes;
#[path = "engine/prefix.rs"]
mod prefix;
#[path = "engine/reference.rs"]
mod reference;
#[path = "engine/scratch_volume.rs"]
mod scratch_volume;
#[path = "engine/sessions.rs"]
mod sessions;
#[path = "engine/stored_values.rs"]
mod stored_values;
#[path = "engine/volume.rs"]
mod volume;
