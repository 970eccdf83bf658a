//! The mount service.
fn main() {}
