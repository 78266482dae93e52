//! Wire formats: pure codecs between bytes and what the gateway must know of them.
//!
//! A dialect reads a request once, changes it by splicing bytes, and watches the answer go by.
//! What every dialect has in common ([`RequestShape`], [`Edits`], [`Answer`], [`Usage`],
//! [`UpstreamError`], [`Quirks`]) is here; one module per wire format beside it.

pub mod answer;
pub mod edits;
pub mod error;
pub mod json;
pub mod openai_chat;
pub mod quirks;
pub mod shape;
pub mod sse;
pub mod usage;

pub use answer::Answer;
pub use edits::{Edits, Encoded, Loss};
pub use error::UpstreamError;
pub use quirks::Quirks;
pub use shape::RequestShape;
pub use usage::{Usage, UsageSource};
