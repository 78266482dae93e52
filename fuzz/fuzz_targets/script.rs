//! Any script, in each of its places: it ends at its limits, whatever it does.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use pointsman::script::{Entry, Limits, trial};

/// Of compiling and of a call at the default limits together. The counters of the fuzzer and other
/// work on the machine are allowed for.
const LONGEST: Duration = Duration::from_secs(1);

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    for entry in [Entry::Value, Entry::Rank, Entry::Judge] {
        let begun = Instant::now();
        _ = trial(source, entry, Limits::default());
        let took = begun.elapsed();
        assert!(took < LONGEST, "{entry:?} took {took:?}");
    }
});
