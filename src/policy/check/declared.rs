//! `enum`, `attribute`, `schedule` and `language`.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Checker;
use super::conditions::{Scope, not_yet};
use crate::policy::codes;
use crate::policy::cond::{Declared, Operand, Reading};
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
            let Item::Let { name, body: tree::LetBody::Cond(cond) } = &line.node else { continue };
            let word: &'a str = &name.node;
            if self.names.used.insert(word) {
                self.names.expanding.push(word);
                self.request_cond(cond);
                self.names.expanding.pop();
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
        self.names.enums.entry(&name.node).or_insert(Members::Declared(words));
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
            self.names.schedules.insert(&schedule.name.node, Arc::new(never));
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
        self.names.schedules.entry(&schedule.name.node).or_insert(Arc::new(schedule_of));
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
        if self.names.attributes.contains_key(&name) {
            self.report(Diagnostic::error(
                codes::DUPLICATE_NAME,
                attr.span,
                format!("`{name}` is declared twice"),
                "again here",
            ));
            return;
        }
        let ty_span = ty.span;
        let checked = self.type_of(ty);
        let source = self.source_of(&name, source);
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
        self.names.attributes.insert(name, (Arc::new(declared), ty));
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
                None if self.names.open_import => None,
                None => {
                    let scalars = [
                        "bool", "int", "float", "string", "money", "tokens", "duration", "percent",
                        "enum",
                    ];
                    let known = self.names.enums.keys().copied().chain(scalars);
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
                        _ => did_you_mean(name, known.collect::<Vec<_>>()),
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
                            codes::NOT_YET,
                            ty.span,
                            format!("an attribute cannot be of type `{other}` yet"),
                            "not supported yet",
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

    fn source_of(&mut self, name: &str, source: Option<&Source>) -> Option<AttrRef> {
        match source? {
            Source::Header(header) => Some(AttrRef {
                attr: Attr::Header,
                index: Some(header.node.to_ascii_lowercase().into()),
            }),
            Source::Attr(path) => {
                // Its own name would be looked up among the declared ones first.
                let resolved = self.resolve(path, Scope::Request)?;
                match resolved.operand {
                    Operand::Attr(found) => Some(found),
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
            Source::Script(file, _) => {
                self.script(file, crate::script::Entry::Value);
                self.report(not_yet(file.span, "an attribute from a script", "the script host"));
                None
            }
            Source::Classifier(which, _) => {
                self.report(not_yet(which.span, "an attribute from a classifier", "classifiers"));
                None
            }
        }
    }

    /// Reads a script that the policy names, and looks for its entry point.
    pub(super) fn script(&mut self, file: &tree::Text, entry: crate::script::Entry) {
        let source = match (self.surroundings.files)(&file.node) {
            Ok(source) => source,
            Err(reason) => {
                self.report(
                    Diagnostic::error(
                        codes::UNREADABLE_FILE,
                        file.span,
                        format!("cannot read `{}`", file.node),
                        reason,
                    )
                    .help("the path is relative to the policy's folder"),
                );
                return;
            }
        };
        if let Err(error) = crate::script::check(&source, entry) {
            self.report(Diagnostic::error(
                codes::BAD_SCRIPT,
                file.span,
                format!("the script `{}` cannot be used", file.node),
                error.to_string(),
            ));
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
