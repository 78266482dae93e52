//! `enum`, `attribute`, `schedule` and `language`.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Checker;
use super::conditions::Scope;
use crate::policy::codes;
use crate::policy::cond::{Declared, DeclaredSource, Operand, Reading};
use crate::policy::diagnostic::{Diagnostic, did_you_mean};
use crate::policy::schedule::{DAYS, Schedule};
use crate::policy::schema::{Attr, AttrRef, Members, Type};
use crate::policy::syntax::tree::{
    self, AttrPath, File, Item, LiteralValue, Name, Source, Spanned, TypeExpr, Value, ValueKind,
};
use crate::policy::value::OwnedValue;

/// Attributes of the schema whose type and source a policy may replace by its own.
const REPLACEABLE: [Attr; 3] = [Attr::KeyTier, Attr::DataResidency, Attr::DataClass];

impl<'a> Checker<'a> {
    pub(super) fn resolve_declarations(&mut self, tree: &'a File) {
        for (position, line) in tree.items.iter().enumerate() {
            match &line.node {
                Item::Language(version) => self.language(version, position),
                Item::Enum { name, members } => self.enumeration(name, members),
                Item::Schedule(schedule) => self.declare_schedule(schedule),
                _ => {}
            }
        }
        for line in &tree.items {
            if let Item::Attribute { attr, ty, source, default } = &line.node {
                self.attribute(attr, ty, source.as_ref(), default.as_ref());
            }
        }
    }

    /// A `let` that nothing has used is checked as if a route had.
    pub(super) fn check_unused_lets(&mut self, tree: &'a File) {
        for line in &tree.items {
            let (name, cond) = match &line.node {
                Item::Let { name, body: tree::LetBody::Cond(cond) } => (name, cond),
                Item::Let { name, body: tree::LetBody::List(list) } => {
                    if !self.shared.used_lists.contains(&list.node.as_ptr()) {
                        self.seen.unused.push(name.span);
                    }
                    continue;
                }
                _ => continue,
            };
            let word: &'a str = &name.node;
            if self.shared.used.insert((self.unit, word.to_owned())) {
                self.seen.unused.push(name.span);
                self.shared.expanding.push((self.unit, word));
                self.request_cond(cond);
                self.shared.expanding.pop();
            }
        }
    }

    fn language(&mut self, version: &Spanned<u64>, position: usize) {
        if version.node != 1 {
            let diagnostic = Diagnostic::error(
                codes::LANGUAGE_VERSION,
                version.span,
                format!("this version reads language 1, not {}", version.node),
                "unknown language version",
            );
            self.report(match position {
                0 => diagnostic.fix("use language 1", version.span, "1"),
                _ => diagnostic.help("begin the file with `language 1`"),
            });
        }
        if position != 0 && version.node == 1 {
            self.report(
                Diagnostic::error(
                    codes::LANGUAGE_VERSION,
                    version.span,
                    "`language` must be the first statement",
                    "comes too late",
                )
                .help("move it to the top of the file"),
            );
        }
    }

    fn enumeration(&mut self, name: &'a Name, members: &'a [Name]) {
        let mut seen = HashSet::new();
        for member in members {
            if !seen.insert(&member.node) {
                self.report(Diagnostic::error(
                    codes::DUPLICATE_NAME,
                    member.span,
                    format!("`{}` is listed twice", member.node),
                    "again here",
                ));
            }
        }
        let words = members.iter().map(|member| member.node.as_str().into()).collect();
        // The first of a file counts, but before what the file imports or inherits.
        if self.shared.enums.insert((self.unit, &name.node)) {
            self.names.enums.insert(name.node.clone(), Members::Declared(words));
        }
    }

    fn declare_schedule(&mut self, schedule: &'a tree::Schedule) {
        let from = self.day(&schedule.from);
        let to = match &schedule.to {
            Some(to) => self.day(to),
            None => from,
        };
        let hours = match &schedule.hours {
            None => Some((0, 24 * 60)),
            Some((from, to)) => match (&from.node.value, &to.node.value) {
                (LiteralValue::Clock(from), LiteralValue::Clock(to)) => Some((*from, *to)),
                _ => None,
            },
        };
        let zone = self.zone(&schedule.zone);
        let (Some(from), Some(to), Some(hours), Some(zone)) = (from, to, hours, zone) else {
            // Known by name all the same, so that its uses are not reported too.
            let never = Schedule {
                name: schedule.name.node.as_str().into(),
                days: [false; 7],
                hours: (0, 1),
                zone: TimeZone::UTC,
            };
            self.names.schedules.insert(schedule.name.node.clone(), Arc::new(never));
            return;
        };
        let mut days = [false; 7];
        let (mut day, last) = (from.0, to.1);
        loop {
            days[day] = true;
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
        let name: Arc<str> = schedule.name.node.as_str().into();
        let schedule_of = Schedule { name, days, hours, zone };
        self.names.schedules.insert(schedule.name.node.clone(), Arc::new(schedule_of));
    }

    /// First and last day that a word names.
    fn day(&mut self, name: &Name) -> Option<(usize, usize)> {
        match name.node.as_str() {
            "daily" | "always" => return Some((0, 6)),
            "weekdays" => return Some((0, 4)),
            "weekend" => return Some((5, 6)),
            word => {
                if let Some(day) = DAYS.iter().position(|day| *day == word) {
                    return Some((day, day));
                }
            }
        }
        let known = DAYS.into_iter().chain(["daily", "weekdays", "weekend"]);
        // `monday` is nearer to `mon` than any edit distance says.
        let near = DAYS
            .into_iter()
            .find(|day| name.node.to_lowercase().starts_with(day))
            .or_else(|| did_you_mean(&name.node, known));
        let diagnostic = Diagnostic::error(
            codes::UNKNOWN_NAME,
            name.span,
            format!("`{}` is not a day", name.node),
            "unknown day",
        )
        .note("days: mon tue wed thu fri sat sun, daily, weekdays, weekend");
        self.report(match near {
            Some(near) => diagnostic.fix(format!("use `{near}`"), name.span, near),
            None => diagnostic,
        });
        None
    }

    fn zone(&mut self, name: &Name) -> Option<TimeZone> {
        match TimeZone::get(&name.node) {
            Ok(zone) => Some(zone),
            Err(_) => {
                let known: Vec<String> =
                    jiff::tz::db().available().map(|name| name.to_string()).collect();
                let diagnostic = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    name.span,
                    format!("there is no time zone `{}`", name.node),
                    "unknown time zone",
                )
                .note("zones have IANA names: Europe/Berlin, America/New_York, UTC");
                self.report(match did_you_mean(&name.node, known.iter().map(String::as_str)) {
                    Some(near) => diagnostic.fix(format!("use `{near}`"), name.span, near),
                    None => diagnostic,
                });
                None
            }
        }
    }

    fn attribute(
        &mut self,
        attr: &'a AttrPath,
        ty: &'a Spanned<TypeExpr>,
        source: Option<&'a Source>,
        default: Option<&'a Value>,
    ) {
        let name = attr.to_string();
        if let Some(known) = Attr::named(&name)
            && !REPLACEABLE.contains(&known)
        {
            self.report(
                Diagnostic::error(
                    codes::DUPLICATE_NAME,
                    attr.span,
                    format!("`{name}` is part of the schema"),
                    "cannot be declared again",
                )
                .help("give your attribute another name"),
            );
        }
        let ty_span = ty.span;
        let checked = self.type_of(ty);
        let source = self.source_of(&name, source, checked.as_ref());
        let Some((ty, reading)) = checked else { return };
        let written = default;
        let default = self.default_of(attr, &ty, default);
        if let (Some(written), Reading::Number { low, high, .. }) = (written, &reading)
            && low < high
            && default.as_value().order_key().is_some_and(|key| key < *low || *high < key)
        {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    written.span,
                    format!("`{name}` is never {}", &self.text[written.span.range()]),
                    "not within the declared range",
                )
                .also(ty_span, "the range of its values"),
            );
        }
        let declared = Declared { name: name.as_str().into(), source, reading, default };
        self.declare_attribute(attr, Arc::new(declared), ty);
    }

    /// An attribute means one thing in all files of a policy; they may agree on it.
    fn declare_attribute(&mut self, attr: &AttrPath, declared: Arc<Declared>, ty: Type) {
        let name = attr.to_string();
        let Some((known, known_ty, first)) = self.shared.attributes.get(&name) else {
            self.shared.attributes.insert(name.clone(), (declared.clone(), ty.clone(), attr.span));
            self.names.attributes.insert(name, (declared, ty));
            return;
        };
        let agree = *known_ty == ty && **known == *declared;
        let same_file = self.sources.locate(*first).file == self.sources.locate(attr.span).file;
        if agree && !same_file {
            let known = (known.clone(), ty);
            self.names.attributes.insert(name, known);
            return;
        }
        self.report(
            Diagnostic::error(
                codes::DUPLICATE_NAME,
                attr.span,
                format!("`{name}` is declared twice"),
                if same_file { "again here" } else { "otherwise here" },
            )
            .also(*first, "first declared here"),
        );
    }

    fn type_of(&mut self, ty: &Spanned<TypeExpr>) -> Option<(Type, Reading)> {
        let number = |ty: Type| {
            let reading = Reading::Number { ty: ty.clone(), low: i64::MIN, high: i64::MAX };
            (ty, reading)
        };
        match &ty.node {
            TypeExpr::Enum(members) => {
                let words: Arc<[Arc<str>]> =
                    members.iter().map(|member| member.node.as_str().into()).collect();
                Some((Type::Enum(Members::Declared(words.clone())), Reading::OneOf(words)))
            }
            TypeExpr::Named(name) => match self.names.enums.get(name.as_str()) {
                Some(members) => {
                    let words: Arc<[Arc<str>]> = members.iter().map(Into::into).collect();
                    Some((Type::Enum(members.clone()), Reading::OneOf(words)))
                }
                None if self.is_lost(name) => None,
                None => {
                    let scalars = [
                        "bool", "int", "float", "string", "money", "tokens", "duration", "percent",
                        "enum",
                    ];
                    let known = self.names.enums.keys().map(String::as_str).chain(scalars);
                    let known_near = did_you_mean(name, known).map(str::to_owned);
                    let diagnostic = Diagnostic::error(
                        codes::UNKNOWN_NAME,
                        ty.span,
                        format!("there is no type `{name}`"),
                        "unknown type",
                    );
                    let near = match name.to_ascii_lowercase().as_str() {
                        "number" | "integer" | "uint" => Some("int"),
                        "boolean" | "flag" => Some("bool"),
                        "text" | "str" => Some("string"),
                        "double" | "decimal" | "real" => Some("float"),
                        "dollars" | "usd" => Some("money"),
                        _ => known_near.as_deref(),
                    };
                    let diagnostic = diagnostic.note(format!("types: {}", scalars.join(", ")));
                    self.report(match near {
                        Some(near) => diagnostic.fix(format!("use `{near}`"), ty.span, near),
                        None => diagnostic.help(format!("declare it: `enum {name} = a | b`")),
                    });
                    None
                }
            },
            TypeExpr::Scalar { name, range } => {
                let (ty_of, mut reading) = match name.as_str() {
                    "bool" => (Type::Bool, Reading::Bool),
                    "string" => (Type::String, Reading::Text),
                    "int" => number(Type::Int),
                    "float" => number(Type::Float(None)),
                    "money" => number(Type::Money),
                    "tokens" => number(Type::Tokens),
                    "duration" => number(Type::Duration),
                    "percent" => number(Type::Percent),
                    other => {
                        self.report(Diagnostic::error(
                            codes::TYPE_MISMATCH,
                            ty.span,
                            format!("an attribute cannot be declared as a `{other}`"),
                            "there is no way to write its `else` value",
                        ));
                        return None;
                    }
                };
                if let Some(range) = range {
                    let named = (name.as_str(), ty.span);
                    let from =
                        self.literal_key(named, &ty_of, &range.from.node, range.from.span)?;
                    let to = self.literal_key(named, &ty_of, &range.to.node, range.to.span)?;
                    if from >= to {
                        self.report(Diagnostic::error(
                            codes::EMPTY_RANGE,
                            range.from.span.to(range.to.span),
                            "nothing lies in this range",
                            "the upper end is not above the lower one",
                        ));
                    }
                    if let Reading::Number { low, high, .. } = &mut reading {
                        // A declared range includes its upper end: `float 0..1` can be 1.
                        (*low, *high) = (from, to);
                    }
                }
                Some((ty_of, reading))
            }
        }
    }

    fn source_of(
        &mut self,
        name: &str,
        source: Option<&Source>,
        ty: Option<&(Type, Reading)>,
    ) -> Option<DeclaredSource> {
        match source? {
            Source::Header(header) => Some(DeclaredSource::Attr(AttrRef {
                attr: Attr::Header,
                index: Some(header.node.to_ascii_lowercase().into()),
            })),
            Source::Attr(path) => {
                // Its own name would be looked up among the declared ones first.
                let resolved = self.resolve(path, Scope::Request)?;
                match resolved.operand {
                    Operand::Attr(found) => Some(DeclaredSource::Attr(found)),
                    Operand::Declared(_) => {
                        self.report(Diagnostic::error(
                            codes::TYPE_MISMATCH,
                            path.span,
                            format!("`{name}` cannot come from another declared attribute"),
                            "declared too",
                        ));
                        None
                    }
                }
            }
            Source::Script(file, knobs) => {
                let (_, reading) = ty?;
                let script = self.script(file, knobs, crate::script::Entry::Value, reading)?;
                Some(DeclaredSource::Script(script))
            }
            Source::Classifier(which, knobs) => self.classifier(which, knobs, name, &ty?.0),
        }
    }

    fn default_of(&mut self, attr: &AttrPath, ty: &Type, default: Option<&Value>) -> OwnedValue {
        let Some(value) = default else {
            self.report(
                Diagnostic::error(
                    codes::DEFAULT_MISSING,
                    attr.span,
                    format!("`{attr}` has no `else` value"),
                    "what is it when the source has none?",
                )
                .help("a declared attribute is never absent: end the line with `else …`"),
            );
            return OwnedValue::Absent;
        };
        let written = attr.to_string();
        let named = (written.as_str(), attr.span);
        match (ty, &value.kind) {
            (Type::Bool, kind) => {
                if let ValueKind::Literal(literal) = kind
                    && let LiteralValue::Bool(bool) = literal.value
                {
                    return OwnedValue::Bool(bool);
                }
                let diagnostic = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    value.span,
                    format!("`{attr}` is a yes or no"),
                    "expected `true` or `false`",
                );
                let meant = match self.text[value.span.range()].trim_matches('"') {
                    "yes" | "on" | "true" | "1" => Some("true"),
                    "no" | "off" | "false" | "0" => Some("false"),
                    _ => None,
                };
                self.report(match meant {
                    Some(meant) => diagnostic.fix(format!("write `{meant}`"), value.span, meant),
                    None => diagnostic,
                });
                OwnedValue::Absent
            }
            (Type::String | Type::Enum(_), _) => self
                .word(named, ty, value)
                .map_or(OwnedValue::Absent, |word| OwnedValue::Str(word.into())),
            (Type::Float(_), ValueKind::Literal(literal)) => {
                self.literal_key(named, ty, literal, value.span);
                match literal.value {
                    LiteralValue::Int(int) => OwnedValue::Float(int as f64),
                    LiteralValue::Float(float) => OwnedValue::Float(float),
                    _ => OwnedValue::Absent,
                }
            }
            _ => self.key(named, ty, value).map_or(OwnedValue::Absent, OwnedValue::Int),
        }
    }
}
