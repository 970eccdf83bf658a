//! Log lines and metric constants.
