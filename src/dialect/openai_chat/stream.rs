//! The chunks of a stream, and what ends it.

use super::answer::{Place, Reader};
use crate::dialect::answer::Answer;
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::Fault;
use crate::dialect::framing::Wire;
use crate::dialect::quirks::{EndMarker, Quirks};
use crate::dialect::sink::Sink;
use crate::dialect::stream::{Decoder, Mark, Stream};

/// A stream of a provider with these quirks.
pub fn stream(quirks: Quirks) -> Stream {
    Stream::new(
        Wire::Sse,
        Box::new(Chunks { reader: Reader::new(Place::Delta, quirks), done: false }),
    )
}

#[derive(Debug)]
struct Chunks {
    reader: Reader,
    done: bool,
}

impl Decoder for Chunks {
    fn event(&mut self, _: &str, data: &str, sink: &mut Sink<'_>) -> Result<Mark, UpstreamError> {
        if data == "[DONE]" {
            self.done = true;
            return Ok(Mark::Done);
        }
        self.reader.body(data, sink).map_err(Fault::of_event)?;
        Ok(Mark::Piece)
    }

    fn is_complete(&self, answer: &Answer) -> bool {
        let choices = &answer.choices;
        let finished = !choices.is_empty() && choices.iter().all(|choice| choice.finish.is_some());
        match self.reader.quirks().end {
            EndMarker::Done => self.done,
            EndMarker::Finish => finished,
            EndMarker::Either => self.done || finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dialect::answer::Finish;
    use crate::dialect::sink::Seen;
    use crate::dialect::sse::MAX_EVENT;
    use crate::dialect::stream::{EventKind, StreamEnd};
    use crate::dialect::usage::UsageSource;
    use crate::error_class::ErrorClass;
    use crate::units::Tokens;

    const STREAM: &str = concat!(
        ": hello\n\n",
        "data: {\"id\":\"i\",\"model\":\"m\",\"choices\":[]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"ab\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );

    fn quirks(end: EndMarker) -> Quirks {
        Quirks { end, ..Quirks::NONE }
    }

    fn run(text: &str, quirks: Quirks) -> (Vec<EventKind>, Result<Answer, StreamEnd>) {
        let mut stream = super::stream(quirks);
        let kinds = stream.push(Bytes::copy_from_slice(text.as_bytes()));
        (kinds.into_iter().map(|event| event.kind).collect(), stream.finish())
    }

    #[test]
    fn every_event_has_its_kind() {
        let (kinds, answer) = run(STREAM, Quirks::NONE);
        let role = Seen { choice: true, ..Seen::default() };
        let text = Seen { text: true, ..role };
        let finish = Seen { finish: Some(Finish::Stop), ..role };
        assert_eq!(
            kinds,
            [
                EventKind::Comment,
                EventKind::Other,
                EventKind::Delta(role),
                EventKind::Delta(text),
                EventKind::Delta(finish),
                EventKind::Usage,
                EventKind::Done
            ]
        );
        let answer = answer.unwrap();
        assert_eq!((&*answer.id, &*answer.model, &*answer.choices[0].text()), ("i", "m", "ab"));
        assert_eq!(answer.usage.total(), Tokens(3));
    }

    #[test]
    fn cut_at_any_byte_it_is_complete_only_with_its_marker() {
        let marker = |end, mark: &str| {
            let complete_from = STREAM.find(mark).unwrap() + mark.len();
            for cut in 0..STREAM.len() {
                let (_, answer) = run(&STREAM[..cut], quirks(end));
                assert_eq!(answer.is_ok(), cut >= complete_from, "{end:?} {cut}");
            }
        };
        marker(EndMarker::Done, "[DONE]");
        marker(EndMarker::Finish, "\"finish_reason\":\"stop\"}]}");
        marker(EndMarker::Either, "\"finish_reason\":\"stop\"}]}");
    }

    #[test]
    fn an_error_event_is_the_end_even_if_done_follows() {
        let text = concat!(
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}],\"usage\":{\"total_tokens\":4,\"prompt_tokens\":3}}\n\n",
            "data: {\"error\":{\"code\":400,\"message\":\"Token limit reached\"},\"choices\":[{\"delta\":{}}]}\n\n",
            "data: [DONE]\n\n",
        );
        let (kinds, end) = run(text, Quirks::NONE);
        assert!(matches!(kinds[1], EventKind::Error(_)));
        let Err(StreamEnd::Failed(error, answer)) = end else { panic!("{end:?}") };
        assert_eq!(error.class, ErrorClass::BadRequest);
        assert_eq!((&*answer.choices[0].text(), answer.usage_source), ("a", UsageSource::Partial));
    }

    #[test]
    fn garbage_fails_and_a_cut_event_does_not() {
        let (_, end) = run("data: {\"choices\":\n\ndata: [DONE]\n\n", Quirks::NONE);
        assert!(matches!(end, Err(StreamEnd::Failed(..))), "{end:?}");
        let (_, end) = run("data: {\"choices\":", Quirks::NONE);
        assert!(matches!(end, Err(StreamEnd::Truncated(_))), "{end:?}");
    }

    #[test]
    fn an_endless_event_fails_once() {
        let mut stream = super::stream(Quirks::NONE);
        let chunk = Bytes::from(vec![b'x'; MAX_EVENT / 3 * 2]);
        assert_eq!(stream.push(chunk.clone()).len(), 0);
        assert!(matches!(stream.push(chunk.clone())[0].kind, EventKind::Error(_)));
        assert_eq!(stream.push(chunk).len(), 0);
        assert!(matches!(stream.finish(), Err(StreamEnd::Failed(..))));
    }
}
