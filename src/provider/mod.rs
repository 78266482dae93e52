//! Providers: who they are, how to prove who we are, and the client that talks to them.
//!
//! [`table`] is data; [`Provider`] is an entry made concrete with the operator's settings; a
//! credential inside of it can only ever be sent to the origin it was given for.

mod address;
mod aws;
pub mod client;
mod google;
mod resolved;
mod sigv4;
pub mod table;

pub use client::{Client, Extra, Response, TransportError};
pub use resolved::{Call, Origin, Provider, ProviderError, Settings};
pub use table::Entry;

pub use crate::dialect::quirks::Quirks;
pub use crate::dialect::sse;
