//! Decoders of foreign bytes under fire: one plain function per decoder, which libFuzzer drives for
//! hours (`fuzz/`, `cargo xtask fuzz TARGET`) and the test `fuzz` for a second each with mutations of
//! golden bytes (`fuzz/seeds`).
//!
//! A target must not panic, overflow or take memory that its input does not justify, whatever it is
//! fed; and what it decodes must survive being encoded again where that is promised.

mod alloc;
mod blocks;
mod crypt;
mod mutate;
mod records;
mod smoke;
mod typed_text;

pub use alloc::{LARGEST_MAX, Watched, largest};
pub use smoke::{Failure, seeds_dir, smoke};

/// A decoder and its name, which is also that of its directory of seeds.
pub struct Target {
    /// Name.
    pub name: &'static str,
    /// Feeds the decoder.
    pub run: fn(&[u8]),
    /// How many mutated inputs the short run feeds: fewer where one takes long.
    pub smoke_runs: u32,
}

const fn target(name: &'static str, run: fn(&[u8]), smoke_runs: u32) -> Target {
    Target {
        name,
        run,
        smoke_runs,
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("attr", records::attr, 20_000),
    target("entry", records::entry, 5_000),
    target("slices", records::slices, 20_000),
    target("delayed", records::delayed, 5_000),
    target("acl", records::acl, 20_000),
    target("locks", records::locks, 10_000),
    target("session", records::session, 10_000),
    target("setting", records::setting, 10_000),
    target("names", records::names, 20_000),
    target("block", blocks::compressed, 2_000),
    target("cached", blocks::cached, 1_000),
    target("control", blocks::control, 20_000),
    target("envelope", crypt::envelope, 100),
    target("secret", crypt::secret, 2_000),
    target("pem", crypt::pem, 200),
    target("url", typed_text::url, 20_000),
    target("args", typed_text::args, 10_000),
];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}
