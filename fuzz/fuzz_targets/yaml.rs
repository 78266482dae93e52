//! Any text, as YAML: a tree and findings inside of the text; what is sound comes through both spellings
//! unchanged; all of it can be compiled.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::policy::syntax::{self, yaml};
use pointsman_fuzz::{check_findings, compiled};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = yaml::parse(text);
    check_findings(&parsed.diagnostics, text);
    if parsed.is_ok() {
        let written = yaml::format(&parsed.file);
        let again = yaml::parse(&written);
        assert!(again.is_ok(), "written, it is no policy any more: {written}");
        assert_eq!(again.file, parsed.file, "written, it is another policy: {written}");
        let printed = syntax::format(&parsed.file);
        let again = syntax::parse(&printed);
        assert!(again.is_ok(), "in the other spelling, it is no policy any more: {printed}");
        assert_eq!(
            again.file, parsed.file,
            "in the other spelling, it is another policy: {printed}"
        );
    }
    compiled("fuzz.yaml", text);
});
