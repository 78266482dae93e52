//! The results as XML, in the format that JUnit began and build servers read.

use std::fmt::Write as _;

use super::{Round, Suite};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::syntax;

/// The whole document.
pub fn report(round: &Round) -> String {
    let count = round.count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a text cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">",
        count.passed + count.failed + count.broken,
        count.failed,
        count.broken,
        round.took.as_secs_f64()
    );
    for suite in &round.suites {
        add(&mut xml, suite);
    }
    xml += "</testsuites>\n";
    xml
}

fn add(xml: &mut String, suite: &Suite) {
    let errors: Vec<&Diagnostic> = suite.errors().collect();
    let broken = usize::from(!errors.is_empty());
    let failed = suite.results().filter(|result| !result.is_good()).count();
    let file = escaped(&suite.checked.file);
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failed}\" errors=\"{broken}\">",
        suite.results().count() + broken,
    );
    if broken > 0 {
        let _ = writeln!(xml, "    <testcase name=\"it compiles\" classname=\"{file}\">");
        told(xml, "error", &errors, suite);
        *xml += "    </testcase>\n";
    }
    for result in suite.results() {
        let name = escaped(&result.name);
        let line = suite.sources().line(result.span);
        let _ = write!(
            xml,
            "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\""
        );
        if result.is_good() {
            *xml += "/>\n";
            continue;
        }
        *xml += ">\n";
        told(xml, "failure", &result.failures.iter().collect::<Vec<_>>(), suite);
        *xml += "    </testcase>\n";
    }
    *xml += "  </testsuite>\n";
}

/// One element for all findings: the format has room for no more than one.
fn told(xml: &mut String, element: &str, found: &[&Diagnostic], suite: &Suite) {
    let Some(first) = found.first() else { return };
    let shown: Vec<String> =
        found.iter().map(|it| syntax::render(it, suite.sources(), false)).collect();
    let _ = writeln!(
        xml,
        "      <{element} type=\"{}\" message=\"{}\">{}</{element}>",
        first.code,
        escaped(&first.message),
        escaped(&shown.join("\n\n"))
    );
}

/// Text that may stand in an element or in an attribute. What XML cannot hold at all is replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&apos;",
            // Plain, they would be read as blanks in an attribute.
            '\n' => safe += "&#10;",
            '\t' => safe += "&#9;",
            '\r' => safe += "&#13;",
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_breaks_out_of_its_element() {
        assert_eq!(escaped("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;");
        assert_eq!(escaped("]]>"), "]]&gt;");
        assert_eq!(escaped("\u{1b}[31m\n"), "\u{fffd}[31m&#10;");
    }
}
