//! What clients talk to: connections, keys, handlers.

pub mod accept;
pub mod auth;
pub mod headers;
pub mod reload;
