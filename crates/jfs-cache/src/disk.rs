//! The disk part of the cache: one directory of one volume.
//!
//! [`index`] knows which blocks are there and when they were used, [`block`] reads and checks one
//! open block file, [`files`] keeps the recently used ones open, [`room`] decides what has to leave,
//! [`scan`] finds what earlier clients left behind.

mod block;
mod files;
mod index;
mod room;
mod scan;
mod store;

pub(crate) use store::{Disk, DiskRead};
