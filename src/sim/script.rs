//! What goes over the wire and when: a list of steps, made without a clock, played by
//! [`super::play`]. All faults of a body are changes to such a list.

use std::time::Duration;

use bytes::Bytes;

use super::fault::Fault;
use super::render::Event;

/// One step of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Time passes.
    Wait(Duration),
    /// Bytes are written.
    Write(Bytes),
    /// So many letters are written, without holding them all in memory.
    Fill(u64),
    /// What was written leaves before more is written.
    Flush,
    /// Nothing more comes, and the body does not end either.
    Stall,
    /// The connection is dropped.
    Drop,
}

/// How fast a model answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// From the request to the first event.
    pub(super) first: Duration,
    /// For each further token.
    pub(super) per_token: Duration,
}

impl Pace {
    /// How long so many tokens take.
    pub(super) fn time_for(self, tokens: u64) -> Duration {
        self.per_token.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX))
    }
}

/// The error body of errors that come after the status was sent.
const LATE_ERROR: &str = r#"{"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":"server_error"}}"#;

/// The steps of a stream of these events.
pub(super) fn stream(events: Vec<Event>, pace: Pace, faults: &[Fault]) -> Vec<Step> {
    let mut steps = vec![Step::Wait(pace.first)];
    if faults.contains(&Fault::ErrorFirst) {
        steps.push(sse(LATE_ERROR.as_bytes()));
        return bytes_faults(steps, faults);
    }
    let end = faults.iter().find_map(|&fault| match fault {
        Fault::Stall(n) => Some((n, Some(Step::Stall))),
        Fault::Cut(n) => Some((n, Some(Step::Drop))),
        Fault::Fin(n) => Some((n, None)),
        Fault::ErrorEvent(n) => Some((n, Some(sse(LATE_ERROR.as_bytes())))),
        _ => None,
    });
    let broken = faults.iter().find_map(|&fault| match fault {
        Fault::Malformed(n) => Some(n),
        _ => None,
    });
    let huge = faults.iter().find_map(|&fault| match fault {
        Fault::HugeLine(bytes) => Some(bytes),
        _ => None,
    });
    if let Some(time) = slow_first(faults) {
        steps.insert(0, Step::Wait(time));
    }
    for (i, event) in (0u64..).zip(&events) {
        if end.as_ref().is_some_and(|(n, _)| *n == i) {
            break;
        }
        let time = pace.time_for(event.tokens);
        if !time.is_zero() {
            steps.push(Step::Wait(time));
        }
        match huge {
            Some(bytes) if i == 0 => steps.extend(inflate(&event.data, bytes, true)),
            _ if broken == Some(i) => steps.push(sse(&event.data[..event.data.len() * 2 / 3])),
            _ => steps.push(sse(&event.data)),
        }
    }
    match end {
        Some((_, last)) => steps.extend(last),
        None if faults.contains(&Fault::NoDone) => {}
        None => steps.push(sse(b"[DONE]")),
    }
    bytes_faults(steps, faults)
}

/// The steps of a body that is one piece. `n` events of a stream are here half of the body.
pub(super) fn whole(body: Vec<u8>, faults: &[Fault]) -> Vec<Step> {
    let mut steps: Vec<Step> = slow_first(faults).map(Step::Wait).into_iter().collect();
    let half = body.len() / 2;
    let mut written = vec![Step::Write(body.clone().into())];
    for fault in faults {
        let first_half = || Step::Write(Bytes::copy_from_slice(&body[..half]));
        written = match fault {
            Fault::Stall(_) => vec![first_half(), Step::Stall],
            Fault::Cut(_) => vec![first_half(), Step::Drop],
            Fault::Fin(_) | Fault::Malformed(_) => vec![first_half()],
            Fault::ErrorEvent(_) | Fault::ErrorFirst | Fault::ErrorIn200 => {
                vec![Step::Write(Bytes::from_static(LATE_ERROR.as_bytes()))]
            }
            Fault::HugeLine(bytes) => inflate(&body, *bytes, false),
            _ => continue,
        };
    }
    steps.extend(written);
    let faults: Vec<Fault> = faults.iter().copied().filter(|f| *f != Fault::Crlf).collect();
    bytes_faults(steps, &faults)
}

fn slow_first(faults: &[Fault]) -> Option<Duration> {
    faults.iter().find_map(|&fault| match fault {
        Fault::SlowFirst(time) => Some(time),
        _ => None,
    })
}

/// A server-sent event with this data.
fn sse(data: &[u8]) -> Step {
    let mut event = Vec::with_capacity(data.len() + 8);
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(data);
    event.extend_from_slice(b"\n\n");
    Step::Write(event.into())
}

/// An object with so many letters in the member `obfuscation`, which OpenAI sends as padding and
/// clients ignore.
fn inflate(object: &[u8], bytes: u64, event: bool) -> Vec<Step> {
    let body = object.strip_suffix(b"}").unwrap_or(object);
    let (before, behind): (&[u8], &[u8]) =
        if event { (b"data: ", b"\"}\n\n") } else { (b"", b"\"}") };
    let start = [before, body, b",\"obfuscation\":\""].concat();
    vec![Step::Write(start.into()), Step::Fill(bytes), Step::Write(Bytes::copy_from_slice(behind))]
}

/// Faults that do not care what the bytes mean.
fn bytes_faults(steps: Vec<Step>, faults: &[Fault]) -> Vec<Step> {
    faults.iter().fold(steps, |steps, &fault| match fault {
        Fault::Crlf => each_write(steps, |bytes| {
            let mut crlf = Vec::with_capacity(bytes.len() + 2);
            for &byte in bytes.iter() {
                if byte == b'\n' {
                    crlf.push(b'\r');
                }
                crlf.push(byte);
            }
            vec![Step::Write(crlf.into())]
        }),
        Fault::Chop(size) => each_write(steps, |bytes| {
            pieces(&bytes, size).flat_map(|piece| [Step::Write(piece), Step::Flush]).collect()
        }),
        Fault::SlowBody(per_second) => {
            // Twenty writes a second are even enough, and few enough for the timer.
            let size = per_second.div_ceil(20);
            let time = Duration::from_secs_f64(size as f64 / per_second as f64);
            each_write(steps, |bytes| {
                pieces(&bytes, size)
                    .flat_map(|piece| [Step::Write(piece), Step::Wait(time)])
                    .collect()
            })
        }
        _ => steps,
    })
}

fn pieces(bytes: &Bytes, size: u64) -> impl Iterator<Item = Bytes> {
    let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
    (0..bytes.len())
        .step_by(size)
        .map(move |at| bytes.slice(at..bytes.len().min(at.saturating_add(size))))
}

fn each_write(steps: Vec<Step>, change: impl Fn(Bytes) -> Vec<Step>) -> Vec<Step> {
    steps
        .into_iter()
        .flat_map(|step| match step {
            Step::Write(bytes) => change(bytes),
            other => vec![other],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Pace = Pace { first: Duration::ZERO, per_token: Duration::ZERO };

    fn events() -> Vec<Event> {
        [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]
            .map(|data| Event { tokens: 2, data: data.as_bytes().to_vec() })
            .to_vec()
    }

    /// What a reader sees, with marks for what is not text.
    fn seen(steps: &[Step]) -> String {
        let show = |step: &Step| match step {
            Step::Write(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Step::Wait(Duration::ZERO) => String::new(),
            Step::Wait(time) => format!("<{time:?}>"),
            Step::Fill(count) => format!("<{count} letters>"),
            Step::Flush => "|".to_owned(),
            Step::Stall => "<stall>".to_owned(),
            Step::Drop => "<drop>".to_owned(),
        };
        steps.iter().map(show).collect::<String>().replace("\r\n", "¶").replace('\n', "~")
    }

    fn streamed(faults: &[Fault]) -> String {
        seen(&stream(events(), NOW, faults))
    }

    #[test]
    fn a_stream_ends_with_done() {
        assert_eq!(streamed(&[]), r#"data: {"a":1}~~data: {"a":2}~~data: {"a":3}~~data: [DONE]~~"#);
        let pace = Pace { first: Duration::from_millis(5), per_token: Duration::from_millis(1) };
        assert_eq!(
            seen(&stream(events(), pace, &[Fault::SlowFirst(Duration::from_secs(2))])),
            r#"<2s><5ms><2ms>data: {"a":1}~~<2ms>data: {"a":2}~~<2ms>data: {"a":3}~~data: [DONE]~~"#
        );
    }

    #[test]
    fn streams_fail_as_they_are_told() {
        let first = r#"data: {"a":1}~~"#;
        assert_eq!(streamed(&[Fault::Stall(1)]), format!("{first}<stall>"));
        assert_eq!(streamed(&[Fault::Cut(0)]), "<drop>");
        assert_eq!(streamed(&[Fault::Fin(1)]), first);
        assert_eq!(
            streamed(&[Fault::NoDone]),
            format!(r#"{first}data: {{"a":2}}~~data: {{"a":3}}~~"#)
        );
        assert!(
            streamed(&[Fault::ErrorEvent(1)]).starts_with(&format!(r#"{first}data: {{"error":"#))
        );
        assert!(streamed(&[Fault::ErrorFirst]).starts_with(r#"data: {"error":"#));
        assert!(streamed(&[Fault::Malformed(1)]).contains(r#"data: {"a"~~data: {"a":3}"#));
        assert!(
            streamed(&[Fault::HugeLine(9)])
                .starts_with(r#"data: {"a":1,"obfuscation":"<9 letters>"}~~data: {"a":2}"#)
        );
        assert!(streamed(&[Fault::Crlf]).starts_with(r#"data: {"a":1}¶¶data"#));
        assert!(streamed(&[Fault::Chop(6)]).starts_with(r#"data: |{"a":1|}~~|data: |"#));
        assert!(streamed(&[Fault::SlowBody(100)]).starts_with("data:<50ms> {\"a\"<50ms>"));
        // With fewer events than that, it fails behind the last one.
        assert!(streamed(&[Fault::Cut(99)]).ends_with("<drop>"));
    }

    #[test]
    fn whole_bodies_fail_in_the_middle() {
        let fail = |fault| seen(&whole(br#"{"a":123}"#.to_vec(), &[fault]));
        assert_eq!(fail(Fault::Crlf), r#"{"a":123}"#);
        assert_eq!(fail(Fault::Cut(3)), r#"{"a"<drop>"#);
        assert_eq!(fail(Fault::Stall(3)), r#"{"a"<stall>"#);
        assert_eq!(fail(Fault::Fin(3)), r#"{"a""#);
        assert_eq!(fail(Fault::HugeLine(4)), r#"{"a":123,"obfuscation":"<4 letters>"}"#);
        assert!(fail(Fault::ErrorIn200).starts_with(r#"{"error""#));
    }
}
