//! Every metadata operation, written once over a small typed engine interface.
