//! Studies as the protocol sees them: sealed objects with digests, never their content.

pub mod ahead;
pub mod manifest;
pub mod plan;
