//! Ways to talk to the kernel. One for now: the fuser crate.

pub(crate) mod fuser_session;
