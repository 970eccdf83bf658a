//! The administrator's tool and front door.
fn main() {}
