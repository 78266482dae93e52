//! Recorded traffic of real providers against the codecs. The recordings are not part of the
//! repository: they are looked for beside it, in `../shared/wire`, or where `POINTSMAN_WIRE` says.

#![allow(clippy::unwrap_used, reason = "a recording that is not as expected fails the test")]

mod anthropic_messages;
mod bedrock;
mod cohere;
mod corpus;
mod coverage;
mod embeddings;
mod fixtures;
mod gemini;
mod gemini_plain;
mod harness;
mod ollama;
mod openai_chat;
mod openai_chat_plain;
mod openai_completions;
mod openai_responses;
mod openai_responses_plain;
mod requests;
