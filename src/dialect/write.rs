//! Writing JSON straight into bytes, with the commas in their places: no trees in between.

use std::io::Write as _;

use super::json;

/// Writes one JSON value after the other into a buffer.
#[derive(Debug)]
pub struct JsonOut<'o> {
    out: &'o mut Vec<u8>,
    /// Something stands before the next value, so it needs a comma.
    comma: bool,
}

impl<'o> JsonOut<'o> {
    /// At the end of the buffer.
    pub fn new(out: &'o mut Vec<u8>) -> JsonOut<'o> {
        JsonOut { out, comma: false }
    }

    fn separate(&mut self) {
        if std::mem::replace(&mut self.comma, true) {
            self.out.push(b',');
        }
    }

    /// An object; the closure writes its members.
    pub fn object(&mut self, members: impl FnOnce(&mut JsonOut<'_>)) {
        self.separate();
        self.out.push(b'{');
        members(&mut JsonOut::new(self.out));
        self.out.push(b'}');
    }

    /// An array; the closure writes its items.
    pub fn array(&mut self, items: impl FnOnce(&mut JsonOut<'_>)) {
        self.separate();
        self.out.push(b'[');
        items(&mut JsonOut::new(self.out));
        self.out.push(b']');
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.quoted(text);
    }

    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        json::escape_bytes(self.out, text);
        self.out.push(b'"');
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.separate();
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A whole number.
    pub fn int(&mut self, value: impl Into<i128>) {
        self.separate();
        // Writing into a vector cannot fail.
        let _ = write!(self.out, "{}", value.into());
    }

    /// A number; `null` where JSON has no way to write it.
    pub fn float(&mut self, value: f64) {
        self.separate();
        let _ = match value.is_finite() {
            true => write!(self.out, "{value}"),
            false => write!(self.out, "null"),
        };
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    /// `null`.
    pub fn null(&mut self) {
        self.raw("null");
    }

    /// A member's name; its value has to follow.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.quoted(name);
        self.out.push(b':');
        self.comma = false;
        self
    }

    /// A member that is a string.
    pub fn field_str(&mut self, name: &str, text: &str) {
        self.key(name).string(text);
    }

    /// A member that is JSON already.
    pub fn field_raw(&mut self, name: &str, json: &str) {
        self.key(name).raw(json);
    }

    /// A member that is a whole number.
    pub fn field_int(&mut self, name: &str, value: impl Into<i128>) {
        self.key(name).int(value);
    }

    /// A member that is a number.
    pub fn field_float(&mut self, name: &str, value: f64) {
        self.key(name).float(value);
    }

    /// A member that is `true` or `false`.
    pub fn field_bool(&mut self, name: &str, value: bool) {
        self.key(name).bool(value);
    }

    /// A member that is `null`.
    pub fn field_null(&mut self, name: &str) {
        self.key(name).null();
    }

    /// A member that is a string, or is left out.
    pub fn maybe_str(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.field_str(name, text);
        }
    }

    /// A member that is JSON already, or is left out.
    pub fn maybe_raw(&mut self, name: &str, json: Option<&str>) {
        if let Some(json) = json {
            self.field_raw(name, json);
        }
    }

    /// A member that is a number, or is left out.
    pub fn maybe_float(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.field_float(name, value);
        }
    }

    /// A member that is a whole number, or is left out.
    pub fn maybe_int(&mut self, name: &str, value: Option<impl Into<i128>>) {
        if let Some(value) = value {
            self.field_int(name, value);
        }
    }

    /// A member that is `true` or `false`, or is left out.
    pub fn maybe_bool(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.field_bool(name, value);
        }
    }

    /// A member that is an object.
    pub fn field_object(&mut self, name: &str, members: impl FnOnce(&mut JsonOut<'_>)) {
        self.key(name).object(members);
    }

    /// A member that is an array.
    pub fn field_array(&mut self, name: &str, items: impl FnOnce(&mut JsonOut<'_>)) {
        self.key(name).array(items);
    }
}

/// One JSON object as bytes.
pub fn object(capacity: usize, members: impl FnOnce(&mut JsonOut<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    JsonOut::new(&mut out).object(members);
    out
}

/// An event of an event stream whose payload is one JSON object; without a name where it is empty.
pub fn event(out: &mut Vec<u8>, name: &str, members: impl FnOnce(&mut JsonOut<'_>)) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    JsonOut::new(out).object(members);
    // JSON that went in as it came may have line breaks, which would tear the event apart; inside
    // of strings there are none.
    while let Some(at) = memchr::memchr2(b'\n', b'\r', &out[start..]) {
        out[start + at] = b' ';
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_and_nowhere_else() {
        let bytes = object(64, |w| {
            w.field_str("a", "\"x\"\n");
            w.field_array("b", |w| {
                w.int(1);
                w.object(|_| {});
                w.object(|w| w.field_null("c"));
                w.raw("[true]");
            });
            w.maybe_str("d", None);
            w.maybe_float("e", Some(0.1));
            w.field_float("f", f64::NAN);
        });
        let expected = r#"{"a":"\"x\"\n","b":[1,{},{"c":null},[true]],"e":0.1,"f":null}"#;
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        let mut out = Vec::new();
        event(&mut out, "ping", |w| w.field_str("type", "ping"));
        assert_eq!(out, b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
        out.clear();
        event(&mut out, "", |w| w.field_raw("a", "{\r\n\"b\":\"\\n\"\n}"));
        assert_eq!(out, b"data: {\"a\":{  \"b\":\"\\n\" }}\n\n");
    }
}
