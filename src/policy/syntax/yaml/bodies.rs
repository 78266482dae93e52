//! Bodies, ladders and tests: the lines that stand as keys of their statement.

use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;

use super::super::words::Place;
use super::document::{Item, Kind, Node, Scalar, column};
use super::items::place_of;
use super::read::{Fields, Reader};
use super::shapes::{
    AFTER, ATTEMPT, ATTR, BACKOFF, BINDING, CLAMP, CLAUSE, COND, DIGITS, DURATION, EXPECT, HOLD,
    IDENT, LITERAL, LOGGED, MONEY, NUM, PERCENT, PICK, Shape, TARGET, VALUE,
};

type Entry<'d> = &'d (Scalar, Node);

impl<'d> Reader<'d> {
    /// A block whose lines are keys of its statement; or, where a key would have to come twice,
    /// stand in a list of maps behind the key `list`.
    /// `from` is where what stands before the keys ends.
    pub fn parts_in(
        &mut self,
        mut from: u32,
        fields: &Fields<'d>,
        list: &str,
        keys: &[&str],
        spell: impl Fn(&mut Self, u32, Entry<'d>),
    ) {
        let mut inline: Vec<(u32, Entry<'d>)> = Vec::new();
        for entry in fields.entries {
            if keys.contains(&entry.0.text.as_str()) {
                inline.push((from, entry));
            }
            from = place_of(&entry.0, &entry.1).end;
        }
        let Some((key, parts)) = fields.entry(list) else {
            let first = fields.entries.first().map_or(0, |(key, _)| key.span.start);
            let least = column(self.source(), first as usize);
            return self.block(fields.place.end, least, |r| {
                for (from, entry) in inline {
                    r.lead(from, entry.0.span.start, false);
                    spell(r, from, entry);
                }
            });
        };
        if let Some((_, (other, _))) = inline.first() {
            let message = format!("`{}` stands beside `{list}`", other.text);
            let label = "put it into that list as well";
            self.fault(Diagnostic::error(codes::YAML_KEY, other.span, message, label));
        }
        self.inside(key, parts, |r| r.parts(key, parts, keys, spell));
    }

    /// The lines of a list of maps, or of one map.
    fn parts(
        &mut self,
        key: &'d Scalar,
        node: &'d Node,
        keys: &[&str],
        spell: impl Fn(&mut Self, u32, Entry<'d>),
    ) {
        let mut from = key.span.end;
        let maps: Vec<(u32, &'d Node)> = match &node.kind {
            Kind::List(items) => items.iter().map(|item| (item.start, &item.node)).collect(),
            _ => vec![(node.span.start, node)],
        };
        for (start, map) in maps {
            self.lead(from, start, false);
            from = start;
            for entry in self.entries(map, "a map") {
                self.lead(from, entry.0.span.start, false);
                match keys.contains(&entry.0.text.as_str()) {
                    true => spell(self, from, entry),
                    false => self.unknown(&entry.0, "this list of lines", keys),
                }
                from = place_of(&entry.0, &entry.1).end;
            }
        }
    }

    /// The body of a statement in a list. Without one there is no block, unless there has to be.
    pub fn body(&mut self, fields: &Fields<'d>, always: bool) {
        let words = Place::Body.words();
        let said = |(key, _): &(Scalar, Node)| key.text == "body" || words.contains(&&*key.text);
        if always || fields.entries.iter().any(said) {
            self.parts_in(fields.place.start, fields, "body", words, Self::directive);
        }
    }

    /// A body that stands behind a key.
    pub fn body_of(&mut self, key: &'d Scalar, node: &'d Node) {
        self.inside(key, node, |r| r.parts(key, node, Place::Body.words(), Self::directive));
    }

    fn directive(&mut self, from: u32, (key, node): Entry<'d>) {
        match key.text.as_str() {
            "set" => self.pairs(key, node, |r, name, node| {
                r.out.word("set ");
                r.put_scalar(name, IDENT);
                let clamps = |said: &Scalar| said.text.trim_start().starts_with(['<', '>']);
                match &node.kind {
                    Kind::Scalar(said) if clamps(said) => {
                        r.out.word(" ");
                        r.put(node, CLAMP);
                    }
                    _ => {
                        r.out.word(" = ");
                        r.put(node, VALUE);
                    }
                }
            }),
            "tag" => self.pairs(key, node, |r, name, node| {
                r.out.word("tag ");
                r.put_scalar(name, IDENT);
                r.out.word(" = ");
                r.put(node, VALUE);
            }),
            "floor" => self.pairs(key, node, |r, name, node| {
                r.out.word("floor ");
                r.put_scalar(name, ATTR);
                r.out.word(" >= ");
                r.put(node, LITERAL);
            }),
            "log" => self.pairs(key, node, |r, name, node| {
                r.out.word("log ");
                r.put_scalar(name, IDENT);
                r.out.word(" ");
                r.put(node, LOGGED);
            }),
            "prompt" => {
                self.rows(key, node, "texts such as `{ append: \"Be brief.\" }`", Self::prompt)
            }
            word => self.line(from, place_of(key, node), false, |r| {
                r.out.word(word);
                r.out.word(" ");
                r.simple(word, node);
            }),
        }
    }

    /// The entries of a map, each of them one line.
    fn pairs(
        &mut self,
        key: &'d Scalar,
        node: &'d Node,
        spell: impl Fn(&mut Self, &'d Scalar, &'d Node),
    ) {
        let mut from = key.span.end;
        let wanted = format!("a map behind `{}`", key.text);
        for (name, node) in self.entries(node, &wanted) {
            self.line(from, place_of(name, node), false, |r| spell(r, name, node));
            from = place_of(name, node).end;
        }
    }

    fn prompt(&mut self, item: &'d Item) {
        const KEYS: [&str; 6] =
            ["prepend", "append", "replace", "prepend_file", "append_file", "replace_file"];
        let Some(fields) = self.fields(&item.node, "a prompt", &[], &KEYS, false) else { return };
        let [(key, node)] = fields.entries else {
            let message = "a prompt has one place, and there its text";
            let label = "not one key";
            let found = Diagnostic::error(codes::YAML_KEY, item.node.span, message, label);
            return self.fault(found);
        };
        let (place, file) = match key.text.strip_suffix("_file") {
            Some(place) => (place, " file "),
            None => (key.text.as_str(), " "),
        };
        self.out.word("prompt ");
        self.out.word(place);
        self.out.word(file);
        self.text(node);
    }

    /// What stands behind the word of a directive that is one line.
    fn simple(&mut self, word: &str, node: &'d Node) {
        match word {
            "only" => {
                self.out.word("models where ");
                self.put(node, COND);
            }
            "pick" => self.put(node, PICK),
            "hold" => self.put(node, HOLD),
            "timeout" => self.timeout(node),
            "retry" => {
                if matches!(node.kind, Kind::Scalar(_)) {
                    return self.put(node, DIGITS);
                }
                let may = ["if", "backoff"];
                let Some(fields) = self.fields(node, "a retry", &["times"], &may, false) else {
                    return;
                };
                self.clause(&fields, "times", "", DIGITS);
                self.errors(&fields);
                self.clause(&fields, "backoff", " backoff ", BACKOFF);
            }
            "fallback" => {
                if !matches!(node.kind, Kind::Map(_)) {
                    return self.joined(node, TARGET, ", ");
                }
                let Some(fields) = self.fields(node, "a fallback", &["to"], &["if"], false) else {
                    return;
                };
                fields.get("to").into_iter().for_each(|to| self.joined(to, TARGET, ", "));
                self.errors(&fields);
            }
            "hedge" => {
                let must = ["after", "to"];
                let Some(fields) = self.fields(node, "a hedge", &must, &["max"], false) else {
                    return;
                };
                self.clause(&fields, "after", "after ", AFTER);
                self.clause(&fields, "to", " to ", TARGET);
                self.clause(&fields, "max", " max ", DIGITS);
            }
            "cap" => {
                let may = ["warn", "degrade_to", "queue", "deny"];
                let Some(fields) = self.fields(node, "a cap", &["amount"], &may, false) else {
                    return;
                };
                self.clause(&fields, "amount", "", MONEY);
                self.out.word(" per request else ");
                self.breach(&fields, "a cap");
            }
            "cache" => self.cache(node),
            "shadow" => {
                let must = ["share", "to"];
                let Some(fields) = self.fields(node, "a shadow", &must, &[], false) else { return };
                self.clause(&fields, "share", "", PERCENT);
                self.clause(&fields, "to", " to ", TARGET);
            }
            _ => {
                let must = ["by", "for"];
                let what = "what keeps a caller's model";
                let Some(fields) = self.fields(node, what, &must, &[], false) else { return };
                self.clause(&fields, "by", "by ", ATTR);
                self.clause(&fields, "for", " for ", DURATION);
            }
        }
    }

    fn errors(&mut self, fields: &Fields<'d>) {
        if let Some(errors) = fields.get("if") {
            self.out.word(" on ");
            self.joined(errors, IDENT, ", ");
        }
    }

    /// A map from what is timed to its time; as a list of texts the same may be timed twice.
    fn timeout(&mut self, node: &'d Node) {
        if let Kind::List(_) = node.kind {
            return self.joined(node, CLAUSE, ", ");
        }
        let entries = self.entries(node, "a map such as `{ total: 60s }`");
        if entries.is_empty() {
            let message = "a timeout says what it times, and how long";
            let found = Diagnostic::error(codes::YAML_SHAPE, node.span, message, "nothing is said");
            self.fault(found);
        }
        for (index, (name, time)) in entries.iter().enumerate() {
            self.out.word(if index > 0 { ", " } else { "" });
            self.put_scalar(name, IDENT);
            self.out.word(" ");
            self.put(time, DURATION);
        }
    }

    fn cache(&mut self, node: &'d Node) {
        if let Kind::Scalar(said) = &node.kind {
            if said.text != "off" {
                self.shape(node, "`off` or a map with `ttl`");
            }
            return self.out.word("off");
        }
        let may = ["semantic", "key"];
        let Some(fields) = self.fields(node, "a cache", &["ttl"], &may, false) else { return };
        match fields.get("semantic") {
            Some(least) => {
                self.out.word("semantic ");
                self.put(least, NUM);
            }
            None => self.out.word("exact"),
        }
        self.clause(&fields, "ttl", " ttl ", DURATION);
        if let Some(key) = fields.get("key") {
            self.out.word(" key ");
            self.list(key, VALUE);
        }
    }

    /// A ladder: its steps and what holds for all of them.
    pub fn ladder(&mut self, name: &'d Scalar, node: &'d Node) {
        let lines = ["max_cost", "deadline", "hold", "steps"];
        let may = [&["lines"], &lines[..]].concat();
        let Some(fields) = self.fields(node, "a ladder", &[], &may, false) else { return };
        self.parts_in(name.span.end, &fields, "lines", &lines, |r, from, (key, node)| {
            let shape: Shape = match key.text.as_str() {
                "max_cost" => MONEY,
                "deadline" => DURATION,
                "hold" => HOLD,
                _ => return r.rows(key, node, "steps", Self::step),
            };
            r.line(from, place_of(key, node), false, |r| {
                r.out.word(&key.text);
                r.out.word(" ");
                r.put(node, shape);
            });
        });
    }

    fn step(&mut self, item: &'d Item) {
        let (must, may) = (["name", "to"], ["escalate_when", "body"]);
        let Some(fields) = self.fields(&item.node, "a step", &must, &may, true) else { return };
        self.clause(&fields, "name", "step ", IDENT);
        self.clause(&fields, "to", " -> ", TARGET);
        self.clause(&fields, "escalate_when", " escalate when ", COND);
        self.body(&fields, false);
    }

    /// A test: what is given, how attempts end, what is expected.
    pub fn test(&mut self, item: &'d Item) {
        let lines = ["given", "attempts", "expect"];
        let may = [&["lines"], &lines[..]].concat();
        let Some(fields) = self.fields(&item.node, "a test", &["name"], &may, false) else {
            return;
        };
        self.out.word("test ");
        fields.get("name").into_iter().for_each(|name| self.text(name));
        self.parts_in(item.start, &fields, "lines", &lines, |r, from, (key, node)| {
            match key.text.as_str() {
                "given" => r.line(from, place_of(key, node), false, |r| {
                    r.out.word("given ");
                    r.given(node);
                }),
                "attempts" => r.rows(key, node, "attempts", |r, item| {
                    r.out.word("attempt ");
                    r.put(&item.node, ATTEMPT);
                }),
                _ => r.rows(key, node, "expectations", |r, item| {
                    r.out.word("expect ");
                    r.put(&item.node, EXPECT);
                }),
            }
        });
    }

    /// A map from attributes to values; as a list of texts the same may be given twice.
    fn given(&mut self, node: &'d Node) {
        if let Kind::List(_) = node.kind {
            return self.joined(node, BINDING, ", ");
        }
        let entries = self.entries(node, "a map such as `{ task: chat }`");
        if entries.is_empty() {
            let message = "something is given here, such as `{ task: chat }`";
            let found = Diagnostic::error(codes::YAML_SHAPE, node.span, message, "nothing is said");
            self.fault(found);
        }
        for (index, (attr, value)) in entries.iter().enumerate() {
            self.out.word(if index > 0 { ", " } else { "" });
            self.put_scalar(attr, ATTR);
            self.out.word(" = ");
            match value.kind {
                Kind::List(_) => self.list(value, VALUE),
                _ => self.put(value, VALUE),
            }
        }
    }
}
