//! Statements.

use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;

use super::super::tree::Span;
use super::document::{Item, Kind, Node, Scalar, column};
use super::read::{Fields, Reader};
use super::shapes::{
    ATTR, CLAIM, COND, DATE, DIGITS, DURATION, IDENT, MONEY, NAME, NUMBER, PERCENT, PERIOD, PICK,
    RATE, SCHEDULE, SET_EXPR, SET_TERM, SHARE, SOURCE, Shape, TARGET, TYPE, VALUE,
};

/// The keys of a file.
pub const SECTIONS: [&str; 20] = [
    "language",
    "imports",
    "enums",
    "attributes",
    "lets",
    "schedules",
    "assumes",
    "pools",
    "ladders",
    "splits",
    "experiments",
    "budgets",
    "limits",
    "deny",
    "require",
    "defaults",
    "tunes",
    "routes",
    "invariants",
    "tests",
];

/// From a key to behind its value.
pub fn place_of(key: &Scalar, node: &Node) -> Span {
    Span { start: key.span.start, end: node.span.end.max(key.span.end) }
}

impl<'d> Reader<'d> {
    /// The file: a map of sections, or a list of such maps where a section comes twice.
    pub fn file(&mut self, root: &'d Node) {
        match &root.kind {
            Kind::Null => {}
            Kind::Map(sections) => self.sections(0, sections),
            Kind::List(parts) => {
                let mut from = 0;
                for part in parts {
                    self.lead(from, part.start, true);
                    let sections = self.entries(&part.node, "a map of sections");
                    self.sections(part.start, sections);
                    from = part.node.span.end;
                }
            }
            Kind::Scalar(_) => {
                self.entries(root, "a map of sections such as `pools:` and `routes:`");
                self.broken.push("default".to_owned());
            }
        }
    }

    fn sections(&mut self, mut from: u32, sections: &'d [(Scalar, Node)]) {
        for (key, node) in sections {
            self.lead(from, key.span.start, true);
            self.section(key, node);
            from = place_of(key, node).end;
        }
    }

    fn section(&mut self, key: &'d Scalar, node: &'d Node) {
        let (from, place) = (key.span.start, place_of(key, node));
        match key.text.as_str() {
            "language" => self.item(from, place, false, "", |r| {
                r.out.word("language ");
                r.put(node, DIGITS);
            }),
            "defaults" => self.item(from, place, true, "defaults", |r| {
                r.out.word("defaults");
                r.body_of(key, node);
            }),
            "imports" => self.each(key, node, |r, item| r.import(item)),
            "assumes" => self.each(key, node, |r, item| {
                r.out.word("assume ");
                r.put(&item.node, COND);
            }),
            "tunes" => self.each(key, node, |r, item| r.tune(item)),
            "routes" => self.each(key, node, |r, item| r.route(item)),
            "tests" => self.each(key, node, |r, item| r.test(item)),
            "enums" => self.named(key, node, "enum ", IDENT, |r, _, node| {
                r.out.word(" = ");
                r.joined(node, IDENT, " | ");
            }),
            "attributes" => self.named(key, node, "attribute ", ATTR, |r, _, node| {
                r.attribute(node);
            }),
            "lets" => self.named(key, node, "let ", IDENT, |r, _, node| {
                r.out.word(" = ");
                match node.kind {
                    Kind::List(_) => r.list(node, VALUE),
                    _ => r.put(node, COND),
                }
            }),
            "schedules" => self.named(key, node, "schedule ", IDENT, |r, _, node| {
                r.out.word(" = ");
                r.put(node, SCHEDULE);
            }),
            "pools" => self.named(key, node, "pool ", IDENT, |r, _, node| r.pool(node)),
            "ladders" => self.named(key, node, "ladder ", IDENT, Self::ladder),
            "splits" => self.named(key, node, "split ", IDENT, |r, _, node| r.split(node)),
            "experiments" => self.named(key, node, "experiment ", IDENT, Self::experiment),
            "budgets" => self.named(key, node, "budget ", IDENT, |r, _, node| r.budget(node)),
            "limits" => self.named(key, node, "limit ", IDENT, |r, _, node| r.limit(node)),
            "deny" => self.named(key, node, "deny ", IDENT, |r, _, node| r.deny(node)),
            "require" => self.named(key, node, "require ", IDENT, |r, _, node| r.require(node)),
            "invariants" => {
                self.named(key, node, "invariant ", IDENT, |r, _, node| r.invariant(node));
            }
            _ => {
                self.unknown(key, "a policy", &SECTIONS);
                self.broken.push("default".to_owned());
            }
        }
    }

    /// The statements of a section that is a list.
    fn each(&mut self, key: &'d Scalar, node: &'d Node, spell: fn(&mut Self, &'d Item)) {
        let mut from = key.span.start;
        if key.text == "routes" && !matches!(node.kind, Kind::List(_)) {
            self.broken.push("default".to_owned());
        }
        let wanted = format!("a list of {}", key.text);
        for item in self.items(node, &wanted) {
            let place = Span { start: item.start, end: item.node.span.end.max(item.start + 1) };
            let name = name_of(&item.node);
            let nested = has_lines(&item.node);
            self.item(from, place, nested, name, |r| spell(r, item));
            from = place.end;
        }
    }

    /// The statements of a section that is a map from names.
    fn named(
        &mut self,
        key: &'d Scalar,
        node: &'d Node,
        word: &str,
        shape: Shape,
        spell: fn(&mut Self, &'d Scalar, &'d Node),
    ) {
        let mut from = key.span.start;
        let wanted = format!("a map from the names of {}", key.text);
        for (name, node) in self.entries(node, &wanted) {
            let place = place_of(name, node);
            self.item(from, place, has_lines(node), &name.text, |r| {
                r.out.word(word);
                r.put_scalar(name, shape);
                spell(r, name, node);
            });
            from = place.end;
        }
    }

    fn import(&mut self, item: &'d Item) {
        self.out.word("import ");
        if matches!(item.node.kind, Kind::Scalar(_)) {
            return self.text(&item.node);
        }
        let Some(fields) = self.fields(&item.node, "an import", &["file"], &["as"], false) else {
            return;
        };
        fields.get("file").into_iter().for_each(|file| self.text(file));
        self.clause(&fields, "as", " as ", IDENT);
    }

    fn attribute(&mut self, node: &'d Node) {
        self.out.word(": ");
        if matches!(node.kind, Kind::Scalar(_)) {
            return self.put(node, TYPE);
        }
        let may = ["from", "else"];
        let Some(fields) = self.fields(node, "an attribute", &["type"], &may, false) else {
            return;
        };
        self.clause(&fields, "type", "", TYPE);
        self.clause(&fields, "from", " from ", SOURCE);
        self.clause(&fields, "else", " else ", VALUE);
    }

    fn pool(&mut self, node: &'d Node) {
        self.out.word(" = ");
        let may = ["members", "models_where", "set", "plus", "except", "pick"];
        let Some(fields) = self.fields(node, "a pool", &[], &may, false) else { return };
        let bases = ["members", "models_where", "set"];
        let said: Vec<_> = bases.iter().filter_map(|key| fields.entry(key)).collect();
        let [(key, base)] = said.as_slice() else {
            let message = format!("a pool says its models with one of {}", bases.join(", "));
            let label = if said.is_empty() { "it says none" } else { "it says several" };
            return self.fault(Diagnostic::error(codes::YAML_KEY, node.span, message, label));
        };
        match key.text.as_str() {
            "members" => self.list(base, TARGET),
            "models_where" => {
                self.out.word("models where ");
                self.put(base, COND);
            }
            _ => self.put(base, SET_EXPR),
        }
        for word in ["plus", "except"] {
            let Some(term) = fields.get(word) else { continue };
            self.out.word(&format!(" {word} "));
            match term.kind {
                Kind::List(_) => self.list(term, TARGET),
                _ => self.put(term, SET_TERM),
            }
        }
        self.clause(&fields, "pick", " pick ", PICK);
    }

    fn by(&mut self, fields: &Fields<'d>) {
        if let Some(by) = fields.get("by") {
            self.out.word(" by ");
            self.joined(by, ATTR, ", ");
        }
        if let Some(salt) = fields.get("salt") {
            self.out.word(" salt ");
            self.text(salt);
        }
    }

    fn split(&mut self, node: &'d Node) {
        let may = ["by", "salt"];
        let Some(fields) = self.fields(node, "a split", &["arms"], &may, false) else { return };
        self.by(&fields);
        let Some((key, arms)) = fields.entry("arms") else { return };
        self.inside(key, arms, |r| r.rows(key, arms, "arms", |r, item| r.arm(item, "")));
    }

    /// A block in braces that stands behind a key of its own.
    pub fn inside(&mut self, key: &'d Scalar, node: &'d Node, lines: impl FnOnce(&mut Self)) {
        let end = place_of(key, node).end;
        let least = column(self.source(), key.span.start as usize) + 1;
        self.block(end, least, lines);
    }

    /// The elements of a list, each of them one line.
    pub fn rows(
        &mut self,
        key: &'d Scalar,
        node: &'d Node,
        what: &str,
        spell: impl Fn(&mut Self, &'d Item),
    ) {
        let mut from = key.span.end;
        for item in self.items(node, &format!("a list of {what}")) {
            let place = Span { start: item.start, end: item.node.span.end.max(item.start + 1) };
            self.line(from, place, has_lines(&item.node), |r| spell(r, item));
            from = place.end;
        }
    }

    fn arm(&mut self, item: &'d Item, word: &str) {
        let (must, may): (&[&str], &[&str]) = match word {
            "" => (&["share", "to"], &["name"]),
            _ => (&["name", "share", "to"], &[]),
        };
        let Some(fields) = self.fields(&item.node, "an arm", must, may, false) else { return };
        self.out.word(word);
        self.clause(&fields, "name", "", IDENT);
        self.clause(&fields, "share", " ", SHARE);
        self.clause(&fields, "to", " -> ", TARGET);
    }

    fn experiment(&mut self, name: &'d Scalar, node: &'d Node) {
        let lines = ["arms", "ramps", "metrics", "guards", "ends"];
        let may = [&["salt", "lines"], &lines[..]].concat();
        let Some(fields) = self.fields(node, "an experiment", &["by"], &may, false) else { return };
        self.by(&fields);
        self.parts_in(name.span.end, &fields, "lines", &lines, |r, from, (key, node)| {
            r.trial(from, key, node);
        });
    }

    fn trial(&mut self, from: u32, key: &'d Scalar, node: &'d Node) {
        match key.text.as_str() {
            "arms" => self.rows(key, node, "arms", |r, item| r.arm(item, "arm ")),
            "ramps" => self.rows(key, node, "ramps", |r, item| {
                let must = ["arm", "shares", "every"];
                let Some(fields) = r.fields(&item.node, "a ramp", &must, &["from"], false) else {
                    return;
                };
                r.clause(&fields, "arm", "ramp ", IDENT);
                r.out.word(" ");
                fields.get("shares").into_iter().for_each(|it| r.joined(it, PERCENT, " .. "));
                r.clause(&fields, "every", " every ", DURATION);
                r.clause(&fields, "from", " from ", DATE);
            }),
            "guards" => self.rows(key, node, "guards", |r, item| {
                let must = ["holds", "halt_to"];
                let Some(fields) = r.fields(&item.node, "a guard", &must, &["over"], false) else {
                    return;
                };
                r.clause(&fields, "holds", "guard ", COND);
                if fields.get("over").is_some() {
                    r.clause(&fields, "over", " over ", NUMBER);
                    r.out.word(" samples");
                }
                r.clause(&fields, "halt_to", " else halt to ", IDENT);
            }),
            "metrics" => self.line(from, place_of(key, node), false, |r| {
                r.out.word("metric ");
                r.joined(node, NAME, ", ");
            }),
            _ => self.line(from, place_of(key, node), false, |r| {
                let must = ["date", "to"];
                let Some(fields) = r.fields(node, "the end of an experiment", &must, &[], false)
                else {
                    return;
                };
                r.clause(&fields, "date", "ends ", DATE);
                r.clause(&fields, "to", " -> ", TARGET);
            }),
        }
    }

    fn budget(&mut self, node: &'d Node) {
        let must = ["amount", "per", "at"];
        let Some(fields) = self.fields(node, "a budget", &must, &["when"], false) else { return };
        self.out.word(" ");
        self.clause(&fields, "amount", "", MONEY);
        let wanted = "a period and whose budget it is, such as `[month, key.team]`,";
        match fields.get("per").map(|per| (per, self.items(per, wanted))) {
            Some((_, [period, whose])) => {
                self.out.word(" per ");
                self.put(&period.node, PERIOD);
                self.out.word(" per ");
                self.put(&whose.node, ATTR);
            }
            Some((per, _)) if matches!(per.kind, Kind::Scalar(_) | Kind::Map(_)) => {}
            Some((per, _)) => {
                let label = "it has not these two";
                let message = format!("{wanted} is expected here");
                self.fault(Diagnostic::error(codes::YAML_SHAPE, per.span, message, label));
            }
            None => {}
        }
        self.clause(&fields, "when", " when ", COND);
        let Some((key, marks)) = fields.entry("at") else { return };
        self.inside(key, marks, |r| {
            r.rows(key, marks, "marks such as `{ share: 80%, warn: true }`", |r, item| {
                let may = ["warn", "degrade_to", "queue", "deny"];
                let what = "a mark of a budget";
                let Some(fields) = r.fields(&item.node, what, &["share"], &may, false) else {
                    return;
                };
                r.clause(&fields, "share", "at ", PERCENT);
                r.out.word(" ");
                r.breach(&fields, what);
            });
        });
    }

    fn limit(&mut self, node: &'d Node) {
        let may = ["rate", "concurrent", "when", "warn", "degrade_to", "queue", "deny"];
        let Some(fields) = self.fields(node, "a limit", &["per"], &may, false) else { return };
        match (fields.get("rate"), fields.get("concurrent")) {
            (Some(rate), None) => {
                self.out.word(" ");
                self.put(rate, RATE);
            }
            (None, Some(count)) => {
                self.out.word(" ");
                self.put(count, NUMBER);
                self.out.word(" concurrent");
            }
            _ => {
                let message = "a limit says how much with either `rate` or `concurrent`";
                let label = "here it is neither or both";
                self.fault(Diagnostic::error(codes::YAML_KEY, node.span, message, label));
            }
        }
        self.clause(&fields, "per", " per ", ATTR);
        self.clause(&fields, "when", " when ", COND);
        self.out.word(" else ");
        self.breach(&fields, "a limit");
    }

    fn deny(&mut self, node: &'d Node) {
        let must = ["when", "because"];
        let Some(fields) = self.fields(node, "a denial", &must, &["status"], false) else { return };
        self.clause(&fields, "when", " when ", COND);
        self.out.word(" because ");
        fields.get("because").into_iter().for_each(|why| self.text(why));
        self.clause(&fields, "status", " status ", DIGITS);
    }

    fn require(&mut self, node: &'d Node) {
        let Some(fields) = self.fields(node, "a requirement", &["only"], &["when"], false) else {
            return;
        };
        self.clause(&fields, "when", " when ", COND);
        self.clause(&fields, "only", " only models where ", COND);
    }

    fn tune(&mut self, item: &'d Item) {
        let must = ["name", "when"];
        let Some(fields) = self.fields(&item.node, "a tune", &must, &["body"], true) else {
            return;
        };
        self.clause(&fields, "name", "tune ", IDENT);
        self.clause(&fields, "when", " when ", COND);
        self.body(&fields, true);
    }

    fn route(&mut self, item: &'d Item) {
        let node = &item.node;
        let has = |key: &str| match &node.kind {
            Kind::Map(entries) => entries.iter().any(|(found, _)| found.text == key),
            _ => false,
        };
        if has("default") {
            let fields = self.fields(node, "the default", &["default"], &["body"], true);
            let Some(fields) = fields else { return };
            self.clause(&fields, "default", "default -> ", TARGET);
            self.body(&fields, false);
        } else if has("alias") {
            let Some(fields) = self.fields(node, "an alias", &["alias", "to"], &[], false) else {
                return;
            };
            self.out.word("alias ");
            fields.get("alias").into_iter().for_each(|from| self.text(from));
            self.clause(&fields, "to", " -> ", TARGET);
        } else if has("delegate") {
            let must = ["delegate", "when", "file"];
            let Some(fields) = self.fields(node, "a delegation", &must, &[], false) else { return };
            self.clause(&fields, "delegate", "delegate ", IDENT);
            self.clause(&fields, "when", " when ", COND);
            self.out.word(" to ");
            fields.get("file").into_iter().for_each(|file| self.text(file));
        } else {
            let must = ["name", "when", "to"];
            let Some(fields) = self.fields(node, "a route", &must, &["body"], true) else { return };
            self.clause(&fields, "name", "route ", IDENT);
            self.clause(&fields, "when", " when ", COND);
            self.clause(&fields, "to", " -> ", TARGET);
            self.body(&fields, false);
        }
    }

    fn invariant(&mut self, node: &'d Node) {
        let what = "an invariant";
        let Some(fields) = self.fields(node, what, &["claims"], &["when"], false) else { return };
        self.clause(&fields, "when", " when ", COND);
        let Some((key, claims)) = fields.entry("claims") else { return };
        self.inside(key, claims, |r| {
            r.rows(key, claims, "claims", |r, item| r.put(&item.node, CLAIM));
        });
    }
}

/// The name that a statement in a list gives itself.
fn name_of(node: &Node) -> &str {
    let Kind::Map(entries) = &node.kind else { return "default" };
    let named = entries.iter().find(|(key, _)| matches!(&*key.text, "name" | "delegate"));
    match named.map(|(_, node)| &node.kind) {
        Some(Kind::Scalar(name)) => &name.text,
        _ => "default",
    }
}

/// Whether a comment on its first line is behind a head, and not behind the whole: it holds maps or
/// lists that begin on further lines, or lines of its own.
fn has_lines(node: &Node) -> bool {
    const LINES: [&str; 12] = [
        "arms", "ramps", "guards", "metrics", "ends", "at", "claims", "steps", "attempts",
        "expect", "given", "body",
    ];
    match &node.kind {
        Kind::Map(entries) => entries.iter().any(|(key, _)| {
            LINES.contains(&&*key.text)
                || super::super::words::Place::Body.words().contains(&&*key.text)
        }),
        Kind::List(items) => items.iter().any(|item| has_lines(&item.node)),
        _ => false,
    }
}
