//! The built-in provider: a real HTTP server that speaks `openai.chat` and needs no key.
//!
//! Its models have small real skills (sums, units, text, code, JSON from a schema, tools), fail at
//! what is too hard for their size, and break in all the ways providers break, when asked to. The
//! same request always gets the same answer; only the time differs (and `cached_tokens`, because a
//! prompt cache remembers).
//!
//! # Difficulty
//!
//! Each model has a `quality` from 0 to 100 and answers rightly what is not harder than that. A
//! little beyond it, it answers wrongly: false sums, JSON that does not parse, tools it forgets to
//! call; far beyond it (25 points), some models refuse. The difficulty of a request is the sum of
//!
//! | what | points |
//! |---|---|
//! | arithmetic in the last user message | 6 for each operation |
//! | words such as `function` 10, `implement` 20, `lock-free` 30, `prove` 60 | as said, together at most 80 |
//! | a long prompt | 1 for each 100 tokens beyond 200, at most 30 |
//! | `json_object` | 5 |
//! | `json_schema` | 5, 2 for each property, 5 for each level of nesting beyond the first, 5 if strict; at most 60 |
//! | tools, if one is to be called | 10, 6 for each further call, 3 for each further tool offered (at most 5 of them) |
//! | pictures | 5 each |
//!
//! and at most 100. The further a request is beyond a model, the lower its log probabilities.
//!
//! # Faults
//!
//! Behind the model's name (`small!429@2`) or in the header `x-sim-fault: 429@2`:
//!
//! ```text
//! faults   = fault *( "+" fault )
//! fault    = name [ "=" argument ] [ "@" count ]
//! count    = 1*DIGIT            ; only the first so many requests, by model and fault
//! duration = number ( "ms" / "s" )
//! ```
//!
//! | name | argument | what happens |
//! |---|---|---|
//! | `400 401 402 403 404 408 413 422 429 500 502 503 504 529` | seconds, `250ms`, `date` or `none`, for `retry-after` (`250ms`: `retry-after-ms`); a bare `429` says 1 second | the status with OpenAI's body; 529 with Anthropic's |
//! | `quota` | | 429 `insufficient_quota` |
//! | `context` | | 400 `context_length_exceeded` |
//! | `filter` | `prompt` or `answer` | 400 `content_filter`; `answer`: half the answer and `finish_reason: content_filter` |
//! | `slow-headers` | duration | nothing at all for so long |
//! | `slow-first` | duration | headers, then nothing for so long |
//! | `stall` | events | after so many events nothing more comes |
//! | `cut` | events | after so many events the connection is dropped |
//! | `fin` | events | after so many events the body ends cleanly |
//! | `error-event` | events | after so many events an error event, and the end |
//! | `malformed` | events | the event behind so many is broken JSON |
//! | `error-first` | | 200 and an error as the first event |
//! | `error-in-200` | | 200 and an error object, also for a stream |
//! | `html`, `html-502` | | a page, with status 200 or 502 |
//! | `garbage` | | bytes that are not UTF-8 |
//! | `empty` | | an answer without content |
//! | `no-usage`, `wrong-usage` | | usage missing, or off and not adding up |
//! | `refuse` | | a refusal |
//! | `truncate` | | half the answer and `finish_reason: length` |
//! | `bad-json` | | content without its closing brackets |
//! | `no-tool`, `bad-tool-args` | | the tool is not called, or against its schema |
//! | `huge-line` | bytes | the first event has so many bytes of padding |
//! | `no-done` | | the stream ends without `[DONE]` |
//! | `slow-body` | bytes per second | the body is written so slowly |
//! | `crlf` | | events end with CR LF |
//! | `chop` | bytes | the body is written in pieces of so many bytes |
//!
//! An answer that is no stream has no events: there `stall`, `cut`, `fin` and `malformed` strike
//! in the middle of the body, and `error-event` and `error-first` are `error-in-200`. Of several
//! faults that replace the whole answer the first that still holds does, and only it is counted: `429@1+500@1`
//! is a 429, then a 500, then an answer.
//!
//! # Time
//!
//! Each model has a delay before its first token and a rate. `x-sim-latency: 300ms` and
//! `x-sim-rate: 50` (tokens per second) set others for one request, [`Settings::speed`] for all.
//!
//! # Looking inside
//!
//! `GET /_sim/stats`: for each model the requests, in flight, completed, hung up by the client, met
//! by a fault. `GET /_sim/requests`: the last requests with headers and bodies. `POST /_sim/reset`
//! forgets both, the prompt cache, and the counts of faults.

mod answer;
mod difficulty;
mod error;
mod fault;
mod hints;
mod http;
mod models;
mod pattern;
mod play;
mod render;
mod request;
mod schema;
mod script;
mod server;
mod skills;
mod stats;
mod tokens;
mod tools;

pub use http::router;
pub use models::{SimModel, SizeClass, models};
pub use server::Server;

/// How a sim behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How much faster than their table the models are; 0: without any delay.
    pub speed: f64,
    /// How many of the last requests `/_sim/requests` shows; 0: none are kept.
    pub remembered_requests: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { speed: 1.0, remembered_requests: 256 }
    }
}
