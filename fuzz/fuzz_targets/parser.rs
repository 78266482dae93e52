//! Any text, in the language's own spelling: a tree and findings inside of the text; what is sound is
//! printed in one layout; all of it can be compiled.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::policy::syntax::{format, parse};
use pointsman_fuzz::{check_findings, compiled};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = parse(text);
    check_findings(&parsed.diagnostics, text);
    if parsed.is_ok() {
        let printed = format(&parsed.file);
        let again = parse(&printed);
        assert!(again.is_ok(), "printed, it is no policy any more: {printed}");
        assert_eq!(again.file, parsed.file, "printed, it is another policy: {printed}");
        assert_eq!(format(&again.file), printed, "printed twice, it changes");
    }
    compiled("fuzz.policy", text);
});
