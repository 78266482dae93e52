//! The top-level object of a body: where its fields lie, and splicing changes into it. What is not
//! changed stays byte for byte as it came.

use std::ops::Range;

use bytes::Bytes;

use super::json::{self, JsonError, Kind, Scanner};

/// A body that is one JSON object.
#[derive(Debug, Clone)]
pub struct Object {
    pub(super) body: Bytes,
    pub(super) fields: Vec<Field>,
}

/// A field of it.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name, unescaped.
    pub name: Box<str>,
    /// Where its name lies, with the quotes.
    pub key: Range<usize>,
    /// Where its value lies.
    pub value: Range<usize>,
}

impl Object {
    /// Reads an object, of which only the fields' places are kept.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(body: Bytes) -> Result<Object, JsonError> {
        let mut scanner = Scanner::new(utf8(&body)?);
        let mut fields = Vec::new();
        scanner.object(|scanner, key| {
            let value = scanner.skip()?;
            fields.push(Field { name: key.cow().into(), key: key.quoted(), value });
            Ok::<(), JsonError>(())
        })?;
        scanner.end()?;
        Ok(Object { body, fields })
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The value of a field, as it stands in the body.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| &*field.name == name)?;
        std::str::from_utf8(&self.body[field.value.clone()]).ok()
    }

    /// The names of the fields, in the body's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &*field.name)
    }

    /// A field that occurs twice: different readers take different ones, so that the provider might
    /// see another model than the policy did.
    pub fn duplicate(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

/// What becomes of a field.
#[derive(Debug, Clone, Default)]
struct Slot {
    removed: bool,
    key: Option<&'static str>,
    /// Replacements within the body, in rising order, not overlapping.
    patches: Vec<(Range<usize>, String)>,
}

/// Changes to an object's fields.
#[derive(Debug)]
pub struct Splice<'a> {
    object: &'a Object,
    slots: Vec<Slot>,
    appended: Vec<(&'static str, String)>,
}

impl<'a> Splice<'a> {
    /// No changes yet.
    pub fn new(object: &'a Object) -> Splice<'a> {
        Splice { object, slots: vec![Slot::default(); object.fields.len()], appended: Vec::new() }
    }

    /// The place of a field in the object as it came.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.object.fields.iter().position(|field| &*field.name == name)
    }

    /// The value of a field as it is going to be sent.
    pub fn value(&self, name: &str) -> Option<&str> {
        if let Some((_, value)) = self.appended.iter().find(|(appended, _)| *appended == name) {
            return Some(value);
        }
        let index = self.index(name)?;
        match &self.slots[index] {
            slot if slot.removed => None,
            slot => match slot.patches.first() {
                Some((range, value)) if *range == self.object.fields[index].value => Some(value),
                _ => self.object.field(name),
            },
        }
    }

    /// Whether a field is there and not null.
    pub fn given(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "null")
    }

    /// Whether the field at this place goes on as it came.
    pub fn is_untouched(&self, index: usize) -> bool {
        let slot = &self.slots[index];
        !slot.removed && slot.patches.is_empty()
    }

    /// Sets a field to a JSON value.
    pub fn set(&mut self, name: &'static str, value: String) {
        if let Some(index) = self.index(name) {
            let range = self.object.fields[index].value.clone();
            return self.patch(index, vec![(range, value)]);
        }
        match self.appended.iter_mut().find(|(appended, _)| *appended == name) {
            Some((_, old)) => *old = value,
            None => self.appended.push((name, value)),
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) {
        if let Some(index) = self.index(name) {
            self.slots[index].removed = true;
        }
        self.appended.retain(|(appended, _)| *appended != name);
    }

    /// Gives the field at this place another name.
    pub fn rename(&mut self, index: usize, to: &'static str) {
        self.slots[index].key = Some(to);
    }

    /// Replaces pieces inside of the field at this place: in rising order, not overlapping.
    pub fn patch(&mut self, index: usize, patches: Vec<(Range<usize>, String)>) {
        self.slots[index] = Slot { patches, ..Slot::default() };
    }

    /// The body with all changes made; the one that came where there are none.
    pub fn body(&self) -> Bytes {
        let (object, slots) = (self.object, &self.slots);
        let same = |slot: &Slot| !slot.removed && slot.key.is_none() && slot.patches.is_empty();
        if self.appended.is_empty() && slots.iter().all(same) {
            return object.body.clone();
        }
        let body = &object.body;
        let added = slots.iter().flat_map(|slot| &slot.patches).map(|(_, text)| text.len());
        let appended = self.appended.iter().map(|(name, value)| name.len() + value.len() + 4);
        let mut out = Vec::with_capacity(body.len() + added.chain(appended).sum::<usize>() + 32);
        let (first, last) = match (object.fields.first(), object.fields.last()) {
            (Some(first), Some(last)) => (first.key.start, last.value.end),
            // An empty object: what is added goes behind its bracket.
            _ => {
                let inside = memchr::memchr(b'{', body).map_or(0, |at| at + 1);
                (inside, inside)
            }
        };
        out.extend_from_slice(&body[..first]);
        let mut any = false;
        for (index, (field, slot)) in object.fields.iter().zip(slots).enumerate() {
            if slot.removed {
                continue;
            }
            if any {
                // What stood before the field: a comma and white space.
                out.extend_from_slice(&body[object.fields[index - 1].value.end..field.key.start]);
            }
            any = true;
            match slot.key {
                Some(key) => out.extend_from_slice(json::quote(key).as_bytes()),
                None => out.extend_from_slice(&body[field.key.clone()]),
            }
            let mut at = field.key.end;
            for (range, text) in &slot.patches {
                out.extend_from_slice(&body[at..range.start]);
                out.extend_from_slice(text.as_bytes());
                at = range.end;
            }
            out.extend_from_slice(&body[at..field.value.end]);
        }
        for (name, value) in &self.appended {
            if std::mem::replace(&mut any, true) {
                out.push(b',');
            }
            out.extend_from_slice(json::quote(name).as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(&body[last..]);
        Bytes::from(out)
    }
}

/// Adds a field at the end of the body's object.
///
/// # Errors
/// When the body is no JSON object. `json` is taken as it is.
pub fn with_top_level_field(body: &Bytes, key: &str, json: &str) -> Result<Bytes, JsonError> {
    let (text, mut empty) = (utf8(body)?, true);
    let mut scanner = Scanner::new(text);
    scanner.object(|_, _| {
        empty = false;
        Ok::<(), JsonError>(())
    })?;
    let end = scanner.offset();
    scanner.end()?;
    let comma = if empty { "" } else { "," };
    let field = format!("{comma}{}:{json}", json::quote(key));
    Ok(replace(body, &[(end - 1..end - 1, &field)]))
}

/// Sets the `logprobs` of every choice to null: for answers whose probabilities only we asked for.
///
/// # Errors
/// When the body is no JSON object.
pub fn without_logprobs(body: &Bytes) -> Result<Bytes, JsonError> {
    let mut patches: Vec<(Range<usize>, &str)> = Vec::new();
    let mut scanner = Scanner::new(utf8(body)?);
    scanner.object(|scanner, key| {
        if key.cow() != "choices" || scanner.kind()? != Kind::Array {
            return Ok(());
        }
        scanner.array(|scanner, _| {
            if scanner.kind()? != Kind::Object {
                return Ok(());
            }
            scanner.object(|scanner, key| {
                if key.cow() == "logprobs" {
                    patches.push((scanner.skip()?, "null"));
                }
                Ok::<(), JsonError>(())
            })
        })
    })?;
    Ok(replace(body, &patches))
}

fn utf8(body: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(body)
        .map_err(|error| JsonError { what: "invalid UTF-8", at: error.valid_up_to() })
}

fn replace(body: &Bytes, patches: &[(Range<usize>, &str)]) -> Bytes {
    if patches.is_empty() {
        return body.clone();
    }
    let added: usize = patches.iter().map(|(_, text)| text.len()).sum();
    let (mut out, mut at) = (Vec::with_capacity(body.len() + added), 0);
    for (range, text) in patches {
        out.extend_from_slice(&body[at..range.start]);
        out.extend_from_slice(text.as_bytes());
        at = range.end;
    }
    out.extend_from_slice(&body[at..]);
    Bytes::from(out)
}
