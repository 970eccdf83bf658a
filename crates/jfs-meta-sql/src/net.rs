//! Databases behind a network: connections as their engine sees them.

pub(crate) mod link;
