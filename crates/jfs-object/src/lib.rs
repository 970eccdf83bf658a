//! Object stores by URL, as opendal operators, with durability and length checks.
