//! Faults on demand: their grammar and what each one is. The module documentation of
//! [`crate::sim`] has the grammar and the table.

use std::fmt;
use std::time::Duration;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Status(u16, RetryAfter),
    Quota,
    Context,
    FilterPrompt,
    FilterAnswer,
    SlowHeaders(Duration),
    SlowFirst(Duration),
    Stall(u64),
    Cut(u64),
    Fin(u64),
    ErrorEvent(u64),
    ErrorFirst,
    ErrorIn200,
    Malformed(u64),
    Html,
    Html502,
    Garbage,
    Empty,
    NoUsage,
    WrongUsage,
    Refuse,
    Truncate,
    BadJson,
    NoTool,
    BadToolArgs,
    HugeLine(u64),
    NoDone,
    SlowBody(u64),
    Crlf,
    Chop(u64),
}

/// What an error answer says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    /// No header.
    Absent,
    /// `retry-after`, whole seconds.
    Seconds(u64),
    /// `retry-after-ms`, as OpenAI and Azure send it.
    Millis(u64),
    /// `retry-after` with an HTTP date two seconds ahead.
    Date,
}

/// A fault and for how many requests it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Injection {
    pub(super) fault: Fault,
    /// Only the first so many requests, counted by model and the fault's text; all, if unsaid.
    pub(super) first: Option<u32>,
}

/// The statuses that can be asked for by number.
const STATUSES: &[u16] = &[400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529];

/// The name of a fault, what stands behind its `=`, and how it is read.
struct Form {
    name: &'static str,
    example: &'static str,
    read: fn(Option<&str>) -> Option<Fault>,
}

macro_rules! forms {
    ($($name:literal $example:literal $read:expr;)*) => {
        const FORMS: &[Form] = &[$(Form { name: $name, example: $example, read: $read }),*];
    };
}

forms! {
    "quota" "quota" |a| bare(a, Fault::Quota);
    "context" "context" |a| bare(a, Fault::Context);
    "filter" "filter or filter=answer" |a| match a {
        None | Some("prompt") => Some(Fault::FilterPrompt),
        Some("answer") => Some(Fault::FilterAnswer),
        Some(_) => None,
    };
    "slow-headers" "slow-headers=2s" |a| duration(a?).map(Fault::SlowHeaders);
    "slow-first" "slow-first=2s" |a| duration(a?).map(Fault::SlowFirst);
    "stall" "stall=3" |a| number(a).map(Fault::Stall);
    "cut" "cut=3" |a| number(a).map(Fault::Cut);
    "fin" "fin=3" |a| number(a).map(Fault::Fin);
    "error-event" "error-event=3" |a| number(a).map(Fault::ErrorEvent);
    "error-first" "error-first" |a| bare(a, Fault::ErrorFirst);
    "error-in-200" "error-in-200" |a| bare(a, Fault::ErrorIn200);
    "malformed" "malformed=3" |a| number(a).map(Fault::Malformed);
    "html" "html" |a| bare(a, Fault::Html);
    "html-502" "html-502" |a| bare(a, Fault::Html502);
    "garbage" "garbage" |a| bare(a, Fault::Garbage);
    "empty" "empty" |a| bare(a, Fault::Empty);
    "no-usage" "no-usage" |a| bare(a, Fault::NoUsage);
    "wrong-usage" "wrong-usage" |a| bare(a, Fault::WrongUsage);
    "refuse" "refuse" |a| bare(a, Fault::Refuse);
    "truncate" "truncate" |a| bare(a, Fault::Truncate);
    "bad-json" "bad-json" |a| bare(a, Fault::BadJson);
    "no-tool" "no-tool" |a| bare(a, Fault::NoTool);
    "bad-tool-args" "bad-tool-args" |a| bare(a, Fault::BadToolArgs);
    "huge-line" "huge-line=2000000" |a| number(a).filter(|&n| n <= 4 << 30).map(Fault::HugeLine);
    "no-done" "no-done" |a| bare(a, Fault::NoDone);
    "slow-body" "slow-body=100 (bytes per second)" |a| number(a).filter(|&n| n > 0).map(Fault::SlowBody);
    "crlf" "crlf" |a| bare(a, Fault::Crlf);
    "chop" "chop=7" |a| number(a).filter(|&n| n > 0).map(Fault::Chop);
}

fn bare(argument: Option<&str>, fault: Fault) -> Option<Fault> {
    argument.is_none().then_some(fault)
}

fn number(argument: Option<&str>) -> Option<u64> {
    argument?.bytes().all(|b| b.is_ascii_digit()).then(|| argument?.parse().ok())?
}

/// Reads `250ms`, `2s` or `1.5s`; at most a day.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (digits, scale) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 0.001),
        None => (text.strip_suffix('s')?, 1.0),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let seconds = digits.parse::<f64>().ok()? * scale;
    // Whole microseconds, so that what is printed can be read again.
    (seconds <= 86_400.0).then(|| Duration::from_micros((seconds * 1e6).round() as u64))
}

fn status(name: &str, argument: Option<&str>) -> Option<Fault> {
    let status = name.parse().ok()?;
    let retry = match argument {
        None if status == 429 => RetryAfter::Seconds(1),
        None | Some("none") => RetryAfter::Absent,
        Some("date") => RetryAfter::Date,
        Some(text) => match text.strip_suffix("ms") {
            Some(millis) => RetryAfter::Millis(number(Some(millis))?),
            None => RetryAfter::Seconds(number(Some(text))?),
        },
    };
    Some(Fault::Status(status, retry))
}

/// Reads several faults with `+` between them; the error says what was meant to stand there.
pub(super) fn parse(text: &str) -> Result<Vec<Injection>, String> {
    text.split('+').map(|part| parse_one(part.trim())).collect()
}

fn parse_one(text: &str) -> Result<Injection, String> {
    let (rest, first) = match text.rsplit_once('@') {
        None => (text, None),
        Some((rest, count)) => match number(Some(count)).and_then(|n| u32::try_from(n).ok()) {
            Some(count) => (rest, Some(count)),
            None => {
                return Err(format!(
                    "in the fault `{text}`, `@{count}` is no number of requests; write `{rest}@2`"
                ));
            }
        },
    };
    let (name, argument) = match rest.split_once('=') {
        Some((name, argument)) => (name, Some(argument)),
        None => (rest, None),
    };
    let wrong =
        |example: &str| format!("in the fault `{text}`, the argument is wrong; write `{example}`");
    if STATUSES.iter().any(|status| status.to_string() == name) {
        let fault = status(name, argument);
        let example = format!("{name}`, `{name}=2`, `{name}=250ms`, `{name}=date` or `{name}=none");
        return fault.map(|fault| Injection { fault, first }).ok_or_else(|| wrong(&example));
    }
    let Some(form) = FORMS.iter().find(|form| form.name == name) else {
        let nearest = FORMS
            .iter()
            .map(|form| (strsim::damerau_levenshtein(form.name, name), form.name))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        let hint = match nearest {
            Some((_, near)) => format!("did you mean `{near}`?"),
            None => format!(
                "there are the statuses {STATUSES:?} and {}",
                FORMS.iter().map(|form| form.name).collect::<Vec<_>>().join(", ")
            ),
        };
        return Err(format!("there is no fault `{name}`; {hint}"));
    };
    let fault = (form.read)(argument).ok_or_else(|| wrong(form.example))?;
    Ok(Injection { fault, first })
}

impl Fault {
    /// Whether it stands in place of the whole answer, so that only one such fault can hold.
    pub(super) fn replaces_answer(self) -> bool {
        matches!(
            self,
            Fault::Status(..)
                | Fault::Quota
                | Fault::Context
                | Fault::FilterPrompt
                | Fault::ErrorIn200
                | Fault::Html
                | Fault::Html502
                | Fault::Garbage
        )
    }
}

/// The text that [`parse`] reads.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::Status(429, RetryAfter::Absent) => f.write_str("429=none"),
            Fault::Status(status, RetryAfter::Absent) => write!(f, "{status}"),
            Fault::Status(status, RetryAfter::Seconds(s)) => write!(f, "{status}={s}"),
            Fault::Status(status, RetryAfter::Millis(ms)) => write!(f, "{status}={ms}ms"),
            Fault::Status(status, RetryAfter::Date) => write!(f, "{status}=date"),
            Fault::Quota => f.write_str("quota"),
            Fault::Context => f.write_str("context"),
            Fault::FilterPrompt => f.write_str("filter"),
            Fault::FilterAnswer => f.write_str("filter=answer"),
            Fault::SlowHeaders(time) => write!(f, "slow-headers={}s", time.as_secs_f64()),
            Fault::SlowFirst(time) => write!(f, "slow-first={}s", time.as_secs_f64()),
            Fault::Stall(n) => write!(f, "stall={n}"),
            Fault::Cut(n) => write!(f, "cut={n}"),
            Fault::Fin(n) => write!(f, "fin={n}"),
            Fault::ErrorEvent(n) => write!(f, "error-event={n}"),
            Fault::ErrorFirst => f.write_str("error-first"),
            Fault::ErrorIn200 => f.write_str("error-in-200"),
            Fault::Malformed(n) => write!(f, "malformed={n}"),
            Fault::Html => f.write_str("html"),
            Fault::Html502 => f.write_str("html-502"),
            Fault::Garbage => f.write_str("garbage"),
            Fault::Empty => f.write_str("empty"),
            Fault::NoUsage => f.write_str("no-usage"),
            Fault::WrongUsage => f.write_str("wrong-usage"),
            Fault::Refuse => f.write_str("refuse"),
            Fault::Truncate => f.write_str("truncate"),
            Fault::BadJson => f.write_str("bad-json"),
            Fault::NoTool => f.write_str("no-tool"),
            Fault::BadToolArgs => f.write_str("bad-tool-args"),
            Fault::HugeLine(n) => write!(f, "huge-line={n}"),
            Fault::NoDone => f.write_str("no-done"),
            Fault::SlowBody(n) => write!(f, "slow-body={n}"),
            Fault::Crlf => f.write_str("crlf"),
            Fault::Chop(n) => write!(f, "chop={n}"),
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)?;
        self.first.map_or(Ok(()), |count| write!(f, "@{count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn several_faults_with_arguments_and_counts() {
        let faults = parse("429=2@3 + slow-first=1.5s+cut=4").unwrap();
        assert_eq!(
            faults,
            [
                Injection { fault: Fault::Status(429, RetryAfter::Seconds(2)), first: Some(3) },
                Injection { fault: Fault::SlowFirst(Duration::from_millis(1500)), first: None },
                Injection { fault: Fault::Cut(4), first: None },
            ]
        );
    }

    #[test]
    fn errors_say_what_to_write() {
        insta::assert_snapshot!(parse("stal=3").unwrap_err(), @"there is no fault `stal`; did you mean `stall`?");
        insta::assert_snapshot!(parse("stall").unwrap_err(), @"in the fault `stall`, the argument is wrong; write `stall=3`");
        insta::assert_snapshot!(parse("crlf@x").unwrap_err(), @"in the fault `crlf@x`, `@x` is no number of requests; write `crlf@2`");
        insta::assert_snapshot!(parse("429=soon").unwrap_err(), @"in the fault `429=soon`, the argument is wrong; write `429`, `429=2`, `429=250ms`, `429=date` or `429=none`");
        assert!(parse("").is_err());
        assert!(parse("418").is_err());
        assert!(parse("quota=1").is_err());
        assert!(parse("slow-first=999999999s").is_err());
    }

    #[test]
    fn every_example_is_what_it_says() {
        for form in FORMS {
            let example = form.example.split(" or ").last().unwrap().split(' ').next().unwrap();
            let read = parse(example).unwrap();
            assert_eq!(read[0].fault.to_string().split('=').next(), Some(form.name));
        }
    }

    fn any_fault() -> impl Strategy<Value = String> {
        let plain: Vec<&str> =
            FORMS.iter().filter(|form| (form.read)(None).is_some()).map(|form| form.name).collect();
        let counted: Vec<&str> =
            FORMS.iter().filter(|form| (form.read)(Some("7")).is_some()).map(|f| f.name).collect();
        let status = proptest::sample::select(STATUSES);
        prop_oneof![
            proptest::sample::select(plain).prop_map(str::to_owned),
            (proptest::sample::select(counted), 1..99_999u64).prop_map(|(f, n)| format!("{f}={n}")),
            (status, "(=[0-9]{1,4}(ms)?|=date|=none)?").prop_map(|(s, a)| format!("{s}{a}")),
            (0..90_000u32).prop_map(|ms| format!("slow-first={ms}ms")),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(
            faults in proptest::collection::vec((any_fault(), proptest::option::of(0..99u32)), 1..5)
        ) {
            let text = faults
                .iter()
                .map(|(fault, first)| first.map_or(fault.clone(), |n| format!("{fault}@{n}")))
                .collect::<Vec<_>>()
                .join("+");
            let read = parse(&text).unwrap();
            let printed = read.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
            prop_assert_eq!(parse(&printed).unwrap(), read);
        }

        #[test]
        fn no_text_panics(text in "\\PC*|([a-z0-9=@+.-]|ms){0,20}") {
            let _ = parse(&text);
        }
    }
}
