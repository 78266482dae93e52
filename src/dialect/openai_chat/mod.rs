//! The dialect `openai.chat`: OpenAI's Chat Completions API and the many that imitate it.
//!
//! A request is read in one scan and changed by splicing; an answer is watched, not rebuilt.
//! <https://platform.openai.com/docs/api-reference/chat>

pub mod answer;
pub mod assemble;
pub mod error;
pub mod request;
mod splice;
pub mod stream;

pub use error::ClientError;
pub use request::{ReadError, Request};
pub use stream::{Event, EventKind, Stream, StreamEnd};
