//! What each key has sent lately: one snapshot per decision, counted in one-second buckets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::facts::Rates;
use crate::ids::KeyId;

const SECONDS: usize = 60;

/// The recent traffic of all keys.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<HashMap<KeyId, Arc<Mutex<Recent>>>>);

#[derive(Debug)]
struct Recent {
    /// Per second of the minute: which second it is, requests, tokens.
    buckets: [(i64, u32, u64); SECONDS],
    concurrent: u32,
}

/// A request under way; it is counted as such until this is dropped.
#[derive(Debug)]
pub struct Counted {
    recent: Arc<Mutex<Recent>>,
    second: i64,
}

impl Traffic {
    /// Counts a request in; with it, what the key has sent in the last minute.
    pub fn count(&self, key: &KeyId, second: i64) -> (Counted, Rates) {
        let recent = {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match keys.get(key) {
                Some(recent) => recent.clone(),
                None => keys
                    .entry(key.clone())
                    .or_insert_with(|| {
                        let buckets = [(i64::MIN, 0, 0); SECONDS];
                        Arc::new(Mutex::new(Recent { buckets, concurrent: 0 }))
                    })
                    .clone(),
            }
        };
        let rates = {
            let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.concurrent += 1;
            recent.bucket(second).1 += 1;
            recent.rates(second)
        };
        (Counted { recent, second }, rates)
    }
}

impl Recent {
    fn bucket(&mut self, second: i64) -> &mut (i64, u32, u64) {
        let bucket = &mut self.buckets[second.rem_euclid(SECONDS as i64) as usize];
        if bucket.0 != second {
            *bucket = (second, 0, 0);
        }
        bucket
    }

    fn rates(&self, now: i64) -> Rates {
        let lately = self
            .buckets
            .iter()
            .filter(|(second, ..)| *second > now.saturating_sub(SECONDS as i64) && *second <= now);
        let (requests, tokens) =
            lately.fold((0u32, 0u64), |(r, t), (_, requests, tokens)| (r + requests, t + tokens));
        Rates { requests, tokens, concurrent: self.concurrent }
    }
}

impl Counted {
    /// Adds the tokens of the request.
    pub fn tokens(&self, tokens: u64) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = recent.bucket(self.second);
        bucket.2 = bucket.2.saturating_add(tokens);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.concurrent = recent.concurrent.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_looked_back_on() {
        let (traffic, key) = (Traffic::default(), KeyId::new("k"));
        let (first, rates) = traffic.count(&key, 100);
        assert_eq!(rates, Rates { requests: 1, tokens: 0, concurrent: 1 });
        first.tokens(50);
        let (second, rates) = traffic.count(&key, 159);
        assert_eq!(rates, Rates { requests: 2, tokens: 50, concurrent: 2 });
        drop((first, second));
        let (_third, rates) = traffic.count(&key, 160);
        assert_eq!(rates, Rates { requests: 2, tokens: 0, concurrent: 1 });
    }

    #[test]
    fn keys_are_counted_apart() {
        let traffic = Traffic::default();
        let _one = traffic.count(&KeyId::new("a"), 0);
        let (_, rates) = traffic.count(&KeyId::new("b"), 0);
        assert_eq!(rates.requests, 1);
    }
}
