//! Build chores: checks, private servers, benchmarks.
fn main() {}
