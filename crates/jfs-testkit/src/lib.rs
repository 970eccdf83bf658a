//! Test helpers: private servers, reference model, fault injectors.
