//! Reading a request: one scan for the facts and the places of its texts.

use bytes::Bytes;

use crate::dialect::edits::{Change, Edits, Loss, LossKind, Param};
use crate::dialect::json::{Kind, Scanner};
use crate::dialect::object::Object;
use crate::dialect::passage::Inexpressible;
use crate::dialect::read::{self, Fault, ReadError, count, wrong_type};
use crate::dialect::shape::{Api, RequestShape, Segment, SegmentRole};

/// A request for embeddings, with its bytes as they came.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) object: Object,
    shape: RequestShape,
    input: Input,
    dimensions: Option<u64>,
    base64: bool,
    purpose: Option<String>,
}

/// What is to be embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Input {
    #[default]
    Missing,
    /// Texts; the shape's segments are their places.
    Texts,
    /// The numbers of tokens of one vocabulary.
    Tokens,
    /// Something of a provider's own, such as pictures.
    Other,
}

/// What vectors are for: some models make other ones for questions than for what is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Questions that are searched for.
    Query,
    /// Texts that are searched in.
    Document,
    /// Features for sorting into classes.
    Classification,
    /// Features for finding groups.
    Clustering,
}

impl Purpose {
    /// The purpose with this word, in any provider's spelling.
    fn from_word(word: &str) -> Option<Purpose> {
        Some(match word.to_ascii_lowercase().as_str() {
            "query" | "search_query" | "retrieval_query" => Purpose::Query,
            "document" | "search_document" | "retrieval_document" => Purpose::Document,
            "classification" => Purpose::Classification,
            "clustering" => Purpose::Clustering,
            _ => return None,
        })
    }
}

/// The fields that a translation carries.
const CARRIED: [&str; 5] = ["model", "input", "dimensions", "encoding_format", "input_type"];

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no JSON object, lacks `model` or `input`, has a known field of a wrong type, a
    /// field twice, or nests too deep. Unknown fields are no errors.
    pub fn read(body: Bytes) -> Result<Request, ReadError> {
        let mut reader = Reader::default();
        let object = read::object(body, |scanner, name| reader.field(scanner, name))?;
        let Reader { mut shape, found_model, input, dimensions, base64, purpose } = reader;
        if !found_model {
            return Err(ReadError::missing("model"));
        }
        if input == Input::Missing {
            return Err(ReadError::missing("input"));
        }
        (shape.api, shape.n, shape.bytes) = (Api::Embeddings, 1, object.body().len());
        Ok(Request { object, shape, input, dimensions, base64, purpose })
    }

    /// What classification and routing look at.
    pub fn shape(&self) -> &RequestShape {
        &self.shape
    }

    /// The body and its fields.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The texts as JSON strings, with their quotes.
    ///
    /// # Errors
    /// When it is not texts that are to be embedded.
    pub(in crate::dialect) fn texts(&self) -> Result<Vec<&str>, Inexpressible> {
        match self.input {
            Input::Texts => {}
            Input::Tokens => {
                return Err(Inexpressible::new(
                    "the texts are given as tokens of OpenAI's, which no other model has",
                ));
            }
            Input::Missing | Input::Other => {
                return Err(Inexpressible::new("only texts can be embedded there"));
            }
        }
        let body = self.object.body();
        let quoted = self.shape.segments.iter().map(|segment| {
            let range = segment.range.start - 1..segment.range.end + 1;
            std::str::from_utf8(&body[range]).unwrap_or(r#""""#)
        });
        Ok(quoted.collect())
    }

    /// How long vectors are wanted, where the client says.
    pub(in crate::dialect) fn dimensions(&self) -> Option<u64> {
        self.dimensions
    }

    /// Whether vectors are wanted in base64 instead of numbers.
    pub(in crate::dialect) fn base64(&self) -> bool {
        self.base64
    }

    /// What the vectors are for, where the client says it in a known word.
    pub(in crate::dialect) fn purpose(&self) -> Option<Purpose> {
        self.purpose.as_deref().and_then(Purpose::from_word)
    }

    /// What a translation loses, whatever it is into.
    pub(in crate::dialect) fn losses(&self, edits: &Edits) -> Vec<Loss> {
        let mut losses = edit_losses(edits);
        let dropped = |param: String, note: &str| Loss {
            param: param.into(),
            how: LossKind::Dropped,
            note: note.to_owned(),
        };
        let given = |name: &&str| self.object.field(name).is_some_and(|value| value != "null");
        for name in self.object.names().filter(given).filter(|name| !CARRIED.contains(name)) {
            losses.push(dropped(name.to_owned(), "not supported there"));
        }
        let sets_user =
            |(param, change): &(Param, Change)| *param == Param::User && *change != Change::Remove;
        if self.object.field("user").is_none() && edits.params.iter().any(sets_user) {
            losses.push(dropped("user".to_owned(), "not supported there"));
        }
        if let (Some(word), None) = (&self.purpose, self.purpose()) {
            let word: String = word.chars().take(40).collect();
            losses.push(dropped("input_type".to_owned(), &format!("`{word}` is unknown there")));
        }
        losses
    }
}

/// The edits that mean nothing here.
pub(super) fn edit_losses(edits: &Edits) -> Vec<Loss> {
    let loss = |param: &'static str| Loss {
        param: param.into(),
        how: LossKind::Dropped,
        note: "embeddings have nothing of the kind".to_owned(),
    };
    let params = edits.params.iter().map(|(param, _)| *param);
    let params = params.filter(|param| *param != Param::User).map(|param| loss(param.name()));
    params.chain((!edits.prompt.is_empty()).then(|| loss("prompt"))).collect()
}

#[derive(Default)]
struct Reader {
    shape: RequestShape,
    found_model: bool,
    input: Input,
    dimensions: Option<u64>,
    base64: bool,
    purpose: Option<String>,
}

impl Reader {
    fn field(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        let kind = scanner.kind()?;
        if kind == Kind::Null && name != "model" && name != "input" {
            return Ok(()); // as good as absent
        }
        match name {
            "model" => match scanner.text()? {
                Some(model) => (self.shape.model, self.found_model) = (model.into_owned(), true),
                None => return wrong_type(name, "a string", kind),
            },
            "input" => match kind {
                Kind::String => {
                    self.input = Input::Texts;
                    self.text(scanner)?;
                }
                Kind::Array => self.inputs(scanner)?,
                _ => return wrong_type(name, "a string or an array", kind),
            },
            "dimensions" => self.dimensions = Some(count(scanner, name)?),
            "encoding_format" => match scanner.text()?.as_deref() {
                Some("base64") => self.base64 = true,
                Some(_) => {}
                None => return wrong_type(name, "a string", kind),
            },
            "user" => match scanner.text()? {
                Some(user) => self.shape.user = Some(user.into_owned()),
                None => return wrong_type(name, "a string", kind),
            },
            // Other providers' word for what the vectors are for.
            "input_type" if kind == Kind::String => {
                self.purpose = scanner.text()?.map(|word| word.into_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let range = scanner.string()?.range();
        self.shape.segments.push(Segment { role: SegmentRole::LastUser, range });
        Ok(())
    }

    fn inputs(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        // An empty list is the provider's to refuse.
        let mut all = Input::Texts;
        scanner.array(|scanner, index| {
            let it = match scanner.kind()? {
                Kind::String => {
                    self.text(scanner)?;
                    Input::Texts
                }
                Kind::Number | Kind::Array => Input::Tokens,
                _ => Input::Other,
            };
            all = if index == 0 || all == it { it } else { Input::Other };
            Ok::<(), Fault>(())
        })?;
        self.input = all;
        Ok(())
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
