//! What the sim remembers: counts for each model, the last requests, the prompt cache, and how
//! often each fault has struck.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::fault::{Fault, Injection};
use super::models::{SimModel, models};
use super::request::Request;
use super::tokens;

/// How many bytes of request bodies are kept at most.
const KEPT_BYTES: usize = 64 << 20;
/// How many prompt prefixes the prompt cache holds for each model before it starts anew.
const KEPT_PREFIXES: usize = 65_536;
/// How many fault counters there are before they start anew.
const KEPT_FAULTS: usize = 65_536;

/// Everything that outlives a request.
#[derive(Debug, Default)]
pub(super) struct Memory {
    counters: Vec<Arc<Counters>>,
    /// Requests that were refused as invalid, for whatever model.
    invalid: AtomicU64,
    received: AtomicU64,
    keep: usize,
    requests: Mutex<VecDeque<Kept>>,
    prefixes: Mutex<HashSet<u64>>,
    faults: Mutex<HashMap<String, u32>>,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    in_flight: AtomicU64,
    completed: AtomicU64,
    hung_up: AtomicU64,
    faulted: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Locks even after a panic elsewhere: counts may be off by one then, which is better than silence.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Nothing yet; the last `keep` requests will be kept.
    pub(super) fn new(keep: usize) -> Memory {
        let counters = models().iter().map(|_| Arc::default()).collect();
        Memory { counters, keep, ..Memory::default() }
    }

    /// Keeps a request for `/_sim/requests`.
    pub(super) fn keep(&self, path: &str, headers: &HeaderMap, body: &Bytes) {
        let number = self.received.fetch_add(1, Relaxed) + 1;
        if self.keep == 0 {
            return;
        }
        let kept =
            Kept { number, path: path.to_owned(), headers: headers.clone(), body: body.clone() };
        let mut requests = lock(&self.requests);
        requests.push_back(kept);
        let mut bytes: usize = requests.iter().map(|kept| kept.body.len()).sum();
        while requests.len() > self.keep || bytes > KEPT_BYTES {
            bytes -= requests.pop_front().map_or(bytes, |kept| kept.body.len());
        }
    }

    /// Counts a request that could not be read.
    pub(super) fn count_invalid(&self) {
        self.invalid.fetch_add(1, Relaxed);
    }

    /// Counts a request and says when it is over.
    pub(super) fn admit(&self, model: &'static SimModel) -> Ticket {
        let at = models().iter().position(|other| other.name == model.name).unwrap_or_default();
        let counters = Arc::clone(&self.counters[at]);
        counters.requests.fetch_add(1, Relaxed);
        counters.in_flight.fetch_add(1, Relaxed);
        Ticket { counters, finished: false }
    }

    /// The faults that strike this request, the one that replaces the answer counted only if it
    /// does.
    pub(super) fn strike(&self, request: &Request) -> Vec<Fault> {
        let mut replaced = false;
        let mut struck = Vec::new();
        for injection in &request.faults {
            let replaces = injection.fault.replaces_answer();
            if !(replaces && replaced) && self.still_holds(request.model, injection) {
                replaced |= replaces;
                struck.push(injection.fault);
            }
        }
        struck
    }

    fn still_holds(&self, model: &SimModel, injection: &Injection) -> bool {
        let Some(first) = injection.first else { return true };
        let mut counts = lock(&self.faults);
        if counts.len() >= KEPT_FAULTS {
            counts.clear();
        }
        let count = counts.entry(format!("{}!{injection}", model.name)).or_default();
        *count = count.saturating_add(1);
        *count <= first
    }

    /// How many tokens of the prompt were seen before: whole blocks of 128 from the beginning on,
    /// from 1 024 tokens on, as OpenAI counts them. The prompt is remembered.
    pub(super) fn cached_tokens(&self, request: &Request) -> u64 {
        const BLOCK: u64 = 128;
        const LEAST: u64 = 1_024;
        if request.prompt_tokens < LEAST {
            return 0;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(request.model.name.as_bytes());
        let mut prefixes = Vec::new();
        let mut count = 0;
        for message in &request.messages {
            hasher.update(message.role.as_bytes());
            for piece in tokens::pieces(&message.text) {
                hasher.update(piece.as_bytes());
                count += 1;
                if count >= LEAST && count % BLOCK == 0 {
                    let mut start = [0; 8];
                    start.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
                    prefixes.push((count, u64::from_le_bytes(start)));
                }
            }
        }
        let mut known = lock(&self.prefixes);
        let cached =
            prefixes.iter().take_while(|(_, hash)| known.contains(hash)).last().map(|(n, _)| *n);
        if known.len() >= KEPT_PREFIXES {
            known.clear();
        }
        known.extend(prefixes.into_iter().map(|(_, hash)| hash));
        cached.unwrap_or(0)
    }

    /// Forgets everything but what is in flight.
    pub(super) fn reset(&self) {
        for counters in &self.counters {
            let Counters { requests, in_flight: _, completed, hung_up, faulted } = &**counters;
            [requests, completed, hung_up, faulted]
                .iter()
                .for_each(|count| count.store(0, Relaxed));
        }
        self.invalid.store(0, Relaxed);
        self.received.store(0, Relaxed);
        lock(&self.requests).clear();
        lock(&self.prefixes).clear();
        lock(&self.faults).clear();
    }

    /// The counts, for `/_sim/stats`.
    pub(super) fn stats(&self) -> Value {
        #[derive(Serialize)]
        struct Row {
            requests: u64,
            in_flight: u64,
            completed: u64,
            hung_up: u64,
            faulted: u64,
        }
        let rows: serde_json::Map<String, Value> = models()
            .iter()
            .zip(&self.counters)
            .map(|(model, counters)| {
                let row = Row {
                    requests: counters.requests.load(Relaxed),
                    in_flight: counters.in_flight.load(Relaxed),
                    completed: counters.completed.load(Relaxed),
                    hung_up: counters.hung_up.load(Relaxed),
                    faulted: counters.faulted.load(Relaxed),
                };
                (model.name.to_owned(), json!(row))
            })
            .collect();
        json!({
            "received": self.received.load(Relaxed),
            "invalid": self.invalid.load(Relaxed),
            "models": rows,
        })
    }

    /// The last requests, oldest first, for `/_sim/requests`.
    pub(super) fn requests(&self) -> Value {
        let show = |kept: &Kept| {
            let mut headers = serde_json::Map::new();
            for (name, value) in &kept.headers {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                match headers.get_mut(name.as_str()) {
                    Some(Value::String(before)) => *before = format!("{before}, {value}"),
                    _ => {
                        headers.insert(name.as_str().to_owned(), Value::String(value));
                    }
                }
            }
            let body = serde_json::from_slice(&kept.body).unwrap_or_else(|_| {
                Value::String(String::from_utf8_lossy(&kept.body).into_owned())
            });
            json!({"number": kept.number, "path": kept.path, "headers": headers, "body": body})
        };
        lock(&self.requests).iter().map(show).collect()
    }
}

/// A request in flight. Dropped before [`Ticket::finish`], it counts as hung up by the client.
#[derive(Debug)]
pub(super) struct Ticket {
    counters: Arc<Counters>,
    finished: bool,
}

impl Ticket {
    /// The request met a fault.
    pub(super) fn faulted(&self) {
        self.counters.faulted.fetch_add(1, Relaxed);
    }

    /// The answer was handed over to its end.
    pub(super) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let ending = if self.finished { &self.counters.completed } else { &self.counters.hung_up };
        ending.fetch_add(1, Relaxed);
        self.counters.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::fault::RetryAfter;

    fn request(model: &str, text: &str) -> Request {
        let body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
        Request::read(body.to_string().as_bytes(), None).unwrap()
    }

    #[test]
    fn faults_strike_only_the_first_requests_one_after_the_other() {
        let memory = Memory::new(0);
        let asked = request("small!429@1+500@2", "x");
        let struck: Vec<_> = (0..4).map(|_| memory.strike(&asked)).collect();
        let rate_limited = Fault::Status(429, RetryAfter::Seconds(1));
        let failed = Fault::Status(500, RetryAfter::Absent);
        assert_eq!(struck, [vec![rate_limited], vec![failed], vec![failed], vec![]]);
        memory.reset();
        assert_eq!(memory.strike(&asked), [rate_limited]);
        assert_eq!(memory.strike(&request("large!429@1", "x")), [rate_limited]);
    }

    #[test]
    fn long_prompts_are_cached_by_their_beginning() {
        let memory = Memory::new(0);
        let long = "word ".repeat(1_500);
        assert_eq!(memory.cached_tokens(&request("small", &long)), 0);
        assert_eq!(memory.cached_tokens(&request("small", &long)), 1_408);
        let longer = format!("{long} and more");
        assert_eq!(memory.cached_tokens(&request("small", &longer)), 1_408);
        assert_eq!(memory.cached_tokens(&request("medium", &long)), 0);
        assert_eq!(memory.cached_tokens(&request("small", &format!("x{long}"))), 0);
    }

    #[test]
    fn only_the_last_requests_are_kept() {
        let memory = Memory::new(2);
        for path in ["/a", "/b", "/c"] {
            memory.keep(path, &HeaderMap::new(), &Bytes::from_static(b"{}"));
        }
        let kept = memory.requests();
        assert_eq!(kept.as_array().unwrap().len(), 2);
        assert_eq!((&kept[0]["path"], &kept[1]["number"]), (&json!("/b"), &json!(3)));
    }

    #[test]
    fn a_ticket_that_is_dropped_was_hung_up() {
        let memory = Memory::new(0);
        let model = &models()[1];
        memory.admit(model).finish();
        drop(memory.admit(model));
        let open = memory.admit(model);
        let row = memory.stats()["models"][model.name].clone();
        assert_eq!(
            row,
            json!({"requests": 3, "in_flight": 1, "completed": 1, "hung_up": 1, "faulted": 0})
        );
        drop(open);
    }
}
