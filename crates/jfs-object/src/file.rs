//! `file` storage: objects as files below `Bucket` + volume name.
//!
//! [`root`] holds the blocking calls, [`walk`] the sorted listing, [`sync`] durability, [`flush`] what the
//! disk refused; [`service`] is the adapter that makes them an opendal service. A put writes a temporary file beside the
//! object and renames it, without flushing: see [`FileRoot::sync`].

mod flush;
mod root;
mod service;
mod sync;
mod walk;

pub(crate) use root::FileRoot;
pub(crate) use service::FileBuilder;
