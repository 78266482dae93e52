//! Recorded traffic of real providers against the codecs. The recordings are not part of the
//! repository: they are looked for beside it, in `../shared/wire`, or where `POINTSMAN_WIRE` says.

#![allow(clippy::unwrap_used, reason = "a recording that is not as expected fails the test")]

mod corpus;
#[allow(dead_code, reason = "used by the dialects that have a reader of their own")]
mod harness;
mod openai_chat;
mod openai_chat_plain;
mod openai_completions;
mod openai_responses;
mod openai_responses_plain;
