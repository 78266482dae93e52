//! Conditions: attributes resolved, operators matched with types, `let`s expanded.

use std::sync::Arc;

use super::Checker;
use super::names::KnownCond;
use crate::policy::codes;
use crate::policy::cond::{Cond, Declared, DeclaredSource, Glob, Op, Operand, Reading};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::schema::{Attr, AttrRef, Index, SCHEMA, Subject, Type};
use crate::policy::syntax::tree::{
    self, AttrPart, AttrPath, CompareOp, CondKind, HasKind, Membership, Name, Span, Value,
    ValueKind,
};
use crate::policy::value::OwnedValue;

/// Where a condition stands, and so what it may speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Behind `when`: the request.
    Request,
    /// Behind `models where`: one model.
    Model,
    /// Behind `escalate when`: one attempt, and the request.
    Attempt,
    /// Behind `expect`: what came of a request.
    Outcome,
}

impl Scope {
    fn admits(self, subject: Subject) -> bool {
        match self {
            Scope::Request => subject == Subject::Request,
            Scope::Model => subject == Subject::Model,
            Scope::Attempt => matches!(subject, Subject::Request | Subject::Attempt),
            Scope::Outcome => subject == Subject::Outcome,
        }
    }
}

/// How deep a condition may be nested, with its `let`s written out.
const MOST_DEPTH: usize = 192;
/// The most tests, and texts in lists, that all conditions of a policy may have together, with their
/// `let`s written out.
const MOST_TESTS: usize = 250_000;

/// What a part of a condition counts by itself.
fn weight(cond: &tree::Cond) -> usize {
    match &cond.kind {
        CondKind::Atom {
            test: Some(tree::Test::In { set: Membership::List(list), .. }), ..
        } => list.node.len().max(1),
        CondKind::Atom { test: Some(tree::Test::Has(_, values)), .. } => values.len().max(1),
        CondKind::Atom { test: Some(tree::Test::Like(patterns)), .. } => patterns.len().max(1),
        _ => 1,
    }
}

/// A resolved operand with its type.
pub(super) struct Resolved {
    pub operand: Operand,
    pub ty: Type,
    pub optional: bool,
}

impl<'a> Checker<'a> {
    /// A condition on the request.
    pub(super) fn request_cond(&mut self, cond: &tree::Cond) -> Cond {
        self.cond(cond, Scope::Request)
    }

    /// A condition on models.
    pub(super) fn model_cond(&mut self, cond: &tree::Cond) -> Cond {
        self.cond(cond, Scope::Model)
    }

    /// A condition on an attempt.
    pub(super) fn attempt_cond(&mut self, cond: &tree::Cond) -> Cond {
        self.cond(cond, Scope::Attempt)
    }

    /// A condition on the outcome of a test.
    pub(super) fn outcome_cond(&mut self, cond: &tree::Cond) -> Cond {
        self.cond(cond, Scope::Outcome)
    }

    fn cond(&mut self, cond: &tree::Cond, scope: Scope) -> Cond {
        if !self.within_bounds(cond) {
            return Cond::TRUE;
        }
        self.shared.depth += 1;
        let checked = match &cond.kind {
            CondKind::Or(any) => Cond::Or(any.iter().map(|cond| self.cond(cond, scope)).collect()),
            CondKind::And(all) => {
                Cond::And(all.iter().map(|cond| self.cond(cond, scope)).collect())
            }
            CondKind::Not(inner) => self.cond(inner, scope).negated(),
            CondKind::Atom { attr, test } => {
                self.atom(attr, test.as_ref(), cond.span, scope).unwrap_or(Cond::TRUE)
            }
        };
        self.shared.depth -= 1;
        checked
    }

    /// Counts a part of a condition. A few short `let`s can stand for a condition of any depth and
    /// any size, so what they stand for is bounded, too; the first part that is too much is reported.
    fn within_bounds(&mut self, cond: &tree::Cond) -> bool {
        if self.shared.depth >= MOST_DEPTH {
            self.report(
                Diagnostic::error(
                    codes::TOO_DEEP,
                    cond.span,
                    "this condition is nested too deep",
                    format!("at most {MOST_DEPTH} levels, `let`s included"),
                )
                .help("write what the `let`s stand for as one list of `and`s or `or`s"),
            );
            return false;
        }
        self.carries(weight(cond), cond.span)
    }

    /// Counts tests and listed texts; whether there is room for them.
    pub(super) fn carries(&mut self, weight: usize, span: Span) -> bool {
        self.shared.weight = self.shared.weight.saturating_add(weight);
        let within = self.shared.weight <= MOST_TESTS;
        if !within && !std::mem::replace(&mut self.shared.overweight, true) {
            self.report(
                Diagnostic::error(
                    codes::CONDITIONS_TOO_LARGE,
                    span,
                    "the conditions of this policy are too large",
                    format!("with all `let`s written out, at most {MOST_TESTS} tests and texts"),
                )
                .help("name large `let`s and lists less often"),
            );
        }
        within
    }

    fn atom(
        &mut self,
        attr: &AttrPath,
        test: Option<&tree::Test>,
        span: Span,
        scope: Scope,
    ) -> Option<Cond> {
        if let Some(word) = attr.as_name()
            && let Some(known) = self.names.conditions.get(&word).copied()
        {
            if test.is_some() {
                self.report(
                    Diagnostic::error(
                        codes::OPERATOR_FOR_TYPE,
                        span,
                        format!("`{word}` is a condition, not a value"),
                        "nothing can be compared with it",
                    )
                    .help(format!("write `{word}` or `not {word}`")),
                );
                return None;
            }
            return self.expand(&word, known, attr.span, scope);
        }
        let resolved = self.resolve(attr, scope)?;
        let named = (attr.to_string(), attr.span);
        let named = (named.0.as_str(), named.1);
        let Some(test) = test else {
            if resolved.ty != Type::Bool {
                self.report(
                    Diagnostic::error(
                        codes::NOT_A_CONDITION,
                        attr.span,
                        format!("`{}` is {}, not a yes or no", named.0, resolved.ty.name()),
                        "compare it with something",
                    )
                    .help(example_test(named.0, &resolved)),
                );
                return None;
            }
            return Some(Cond::test(resolved.operand, Op::IsTrue, span));
        };
        self.test(named, resolved, test, span)
    }

    fn expand(
        &mut self,
        name: &str,
        known: KnownCond<'a>,
        used_at: Span,
        scope: Scope,
    ) -> Option<Cond> {
        let KnownCond { body, unit, own } = known;
        let step = (unit, own);
        let expanding = &self.shared.expanding;
        if expanding.contains(&step) {
            let from = expanding.iter().position(|known| *known == step).unwrap_or(0);
            // However the circle is entered, it is told once.
            let mut circle = expanding[from..].to_vec();
            let way = circle.iter().map(|(_, name)| *name).chain([step.1]);
            let way = way.collect::<Vec<_>>().join(" → ");
            circle.sort_unstable();
            if self.shared.circles.insert(circle) {
                self.report(
                    Diagnostic::error(
                        codes::CYCLE,
                        used_at,
                        format!("`{name}` is defined by itself"),
                        "leads back to its own definition",
                    )
                    .note(format!("the way: {way}")),
                );
            }
            return None;
        }
        self.shared.used.insert((unit, step.1.to_owned()));
        self.shared.expanding.push(step);
        let cond = self.within(unit, |it| it.cond(body, scope));
        self.shared.expanding.pop();
        Some(cond)
    }

    fn test(
        &mut self,
        named: (&str, Span),
        resolved: Resolved,
        test: &tree::Test,
        span: Span,
    ) -> Option<Cond> {
        let Resolved { operand, ty, optional } = resolved;
        let plain = |op| Cond::test(operand.clone(), op, span);
        match test {
            tree::Test::Compare(op, value) => self.compare(named, &ty, &plain, op, value),
            tree::Test::In { negated, set } => {
                let cond = self.membership(named, &ty, &plain, set)?;
                Some(if *negated { cond.negated() } else { cond })
            }
            tree::Test::Present(present) => {
                if !optional {
                    self.report(
                        Diagnostic::error(
                            codes::OPERATOR_FOR_TYPE,
                            span,
                            format!("`{}` is never absent", named.0),
                            "always true or always false",
                        )
                        .help("leave this test out"),
                    );
                }
                let cond = plain(Op::Present);
                Some(if *present { cond } else { cond.negated() })
            }
            tree::Test::Has(kind, values) => {
                if ty != Type::Set {
                    self.report(
                        Diagnostic::error(
                            codes::OPERATOR_FOR_TYPE,
                            span,
                            format!("`has` asks a set; `{}` is {}", named.0, ty.name()),
                            "not a set",
                        )
                        .help("use `==`, `in` or `like`"),
                    );
                    return None;
                }
                let mut elements = Vec::new();
                for value in values {
                    let word = self.word(named, &Type::String, value);
                    elements.extend(word.map(|word| plain(Op::Has(word.into()))));
                }
                Some(match kind {
                    HasKind::One | HasKind::All => Cond::And(elements),
                    HasKind::Any => Cond::Or(elements),
                })
            }
            tree::Test::Like(patterns) => {
                self.needs_text(named, &ty, span, "like")?;
                let any = patterns.iter().map(|pattern| plain(Op::Like(Glob::new(&pattern.node))));
                Some(Cond::Or(any.collect()))
            }
            tree::Test::Matches(pattern) => {
                self.needs_text(named, &ty, span, "matches")?;
                match regex::RegexBuilder::new(&pattern.node).size_limit(1 << 20).build() {
                    Ok(regex) => Some(plain(Op::Matches(regex))),
                    Err(error) => {
                        let reason = error.to_string();
                        let reason = reason.lines().last().unwrap_or_default().trim();
                        self.report(Diagnostic::error(
                            codes::BAD_REGEX,
                            pattern.span,
                            "this regular expression does not compile",
                            reason.trim_start_matches("error: "),
                        ));
                        None
                    }
                }
            }
        }
    }

    fn needs_text(&mut self, named: (&str, Span), ty: &Type, span: Span, op: &str) -> Option<()> {
        if matches!(ty, Type::String | Type::Enum(_)) {
            return Some(());
        }
        self.report(Diagnostic::error(
            codes::OPERATOR_FOR_TYPE,
            span,
            format!("`{op}` asks a text; `{}` is {}", named.0, ty.name()),
            "not a text",
        ));
        None
    }

    fn compare(
        &mut self,
        named: (&str, Span),
        ty: &Type,
        plain: &dyn Fn(Op) -> Cond,
        op: &tree::Spanned<CompareOp>,
        value: &Value,
    ) -> Option<Cond> {
        let equality = matches!(op.node, CompareOp::Eq | CompareOp::Ne);
        let refuse = |help: &str| {
            Diagnostic::error(
                codes::OPERATOR_FOR_TYPE,
                op.span,
                format!("`{}` does not work on `{}`", op.node.symbol(), named.0),
                format!("this is {}", ty.name()),
            )
            .help(help)
        };
        let equal = match ty {
            Type::Time => {
                self.report(refuse("name a `schedule`, then write `time in that-schedule`"));
                return None;
            }
            Type::Set => {
                self.report(refuse("write `has \"one\"`, `has any [..]` or `has all [..]`"));
                return None;
            }
            Type::Bool => {
                let is_true = match &value.kind {
                    ValueKind::Literal(literal) => match literal.value {
                        tree::LiteralValue::Bool(bool) => Some(bool),
                        _ => None,
                    },
                    ValueKind::Name(_) => None,
                };
                let (Some(is_true), true) = (is_true, equality) else {
                    self.report(not_a_truth(named, value, equality.then_some(op.node)));
                    return None;
                };
                let cond = plain(Op::IsTrue);
                if is_true { cond } else { cond.negated() }
            }
            Type::String | Type::Enum(_) => {
                if !equality {
                    self.report(refuse("use `==`, `!=` or `in [..]`"));
                    return None;
                }
                let word = self.word(named, ty, value)?;
                let equal = plain(Op::OneOf(vec![word.into()]));
                or_policy_by_name(named.0, word == "auto", equal)
            }
            ordered => {
                let key = self.key(named, ordered, value)?;
                let interval = match op.node {
                    CompareOp::Eq | CompareOp::Ne => (key, key),
                    CompareOp::Lt => (i64::MIN, key.saturating_sub(1)),
                    CompareOp::Le => (i64::MIN, key),
                    CompareOp::Gt => (key.saturating_add(1), i64::MAX),
                    CompareOp::Ge => (key, i64::MAX),
                };
                plain(Op::Within(vec![interval]))
            }
        };
        Some(if op.node == CompareOp::Ne { equal.negated() } else { equal })
    }

    fn membership(
        &mut self,
        named: (&str, Span),
        ty: &Type,
        plain: &dyn Fn(Op) -> Cond,
        set: &Membership,
    ) -> Option<Cond> {
        match set {
            Membership::Range(range) => {
                if !ty.is_ordered() {
                    let span = range.from.span.to(range.to.span);
                    self.report(
                        Diagnostic::error(
                            codes::OPERATOR_FOR_TYPE,
                            span,
                            format!("`{}` has no order", named.0),
                            "a range needs one",
                        )
                        .also(named.1, format!("this is {}", ty.name()))
                        .help(match ty {
                            Type::Time => "declare a `schedule` with these hours: `time in NAME`",
                            _ => "list the values: `in [a, b]`",
                        }),
                    );
                    return None;
                }
                let from = self.literal_key(named, ty, &range.from.node, range.from.span);
                let to = self.literal_key(named, ty, &range.to.node, range.to.span);
                let (from, to) = (from?, to?);
                if from >= to {
                    let span = range.from.span.to(range.to.span);
                    self.report(
                        Diagnostic::error(
                            codes::EMPTY_RANGE,
                            span,
                            "nothing lies in this range",
                            "the upper end is not above the lower one",
                        )
                        .note("`a..b` means at least `a` and less than `b`"),
                    );
                }
                Some(plain(Op::Within(vec![(from, to - 1)])))
            }
            Membership::List(list) => self.one_of(named, ty, plain, &list.node),
            Membership::Name(name) => {
                if *ty == Type::Time {
                    let schedule = self.schedule(name)?;
                    return Some(plain(Op::During(schedule)));
                }
                let Some(list) = self.names.lists.get(name.node.as_str()).copied() else {
                    if self.is_lost(&name.node) {
                        return None;
                    }
                    self.report(self.unknown_list(name));
                    return None;
                };
                self.shared.used_lists.insert(list.as_ptr());
                if !self.carries(list.len(), name.span) {
                    return None;
                }
                self.one_of(named, ty, plain, list)
            }
        }
    }

    fn one_of(
        &mut self,
        named: (&str, Span),
        ty: &Type,
        plain: &dyn Fn(Op) -> Cond,
        list: &[Value],
    ) -> Option<Cond> {
        match ty {
            Type::String | Type::Enum(_) => {
                let mut texts: Vec<Arc<str>> = Vec::new();
                for value in list {
                    texts.extend(self.word(named, ty, value).map(Arc::from));
                }
                let auto = texts.iter().any(|text| &**text == "auto");
                Some(or_policy_by_name(named.0, auto, plain(Op::OneOf(texts))))
            }
            Type::Bool | Type::Set | Type::Time => {
                self.report(Diagnostic::error(
                    codes::OPERATOR_FOR_TYPE,
                    named.1,
                    format!("`in` does not work on `{}`", named.0),
                    format!("this is {}", ty.name()),
                ));
                None
            }
            ordered => {
                let mut intervals = Vec::new();
                for value in list {
                    intervals.extend(self.key(named, ordered, value).map(|key| (key, key)));
                }
                Some(plain(Op::Within(intervals)))
            }
        }
    }

    fn schedule(&mut self, name: &Name) -> Option<Arc<crate::policy::schedule::Schedule>> {
        if let Some(found) = self.names.schedules.get(name.node.as_str()) {
            return Some(found.clone());
        }
        if self.is_lost(&name.node) {
            return None;
        }
        let mut diagnostic = Diagnostic::error(
            codes::UNKNOWN_NAME,
            name.span,
            format!("no schedule is called `{}`", name.node),
            "unknown schedule",
        );
        let known: Vec<&str> = self.names.schedules.keys().map(String::as_str).collect();
        diagnostic = match self.near(&name.node, known) {
            Some(near) => {
                diagnostic.help(format!("did you mean `{near}`?")).fix("use it", name.span, near)
            }
            None => diagnostic.help(format!(
                "declare it: `schedule {} = mon..fri 09:00..18:00 Europe/Berlin`",
                name.node
            )),
        };
        self.report(diagnostic);
        None
    }

    fn unknown_list(&self, name: &Name) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            codes::UNKNOWN_NAME,
            name.span,
            format!("no list is called `{}`", name.node),
            "unknown list",
        );
        let known: Vec<&str> = self.names.lists.keys().map(String::as_str).collect();
        match self.near(&name.node, known) {
            Some(near) => {
                diagnostic.help(format!("did you mean `{near}`?")).fix("use it", name.span, near)
            }
            None => diagnostic.help(format!("write `[{}]`, or `let {0} = [..]`", name.node)),
        }
    }

    /// The attribute a path names, if it may be used here.
    pub(super) fn resolve(&mut self, path: &AttrPath, scope: Scope) -> Option<Resolved> {
        let written = path.to_string();
        if scope != Scope::Model
            && let Some((declared, ty)) = self.names.attributes.get(&written)
        {
            return Some(Resolved {
                operand: Operand::Declared(declared.clone()),
                ty: ty.clone(),
                optional: false,
            });
        }
        let mut name = String::new();
        let mut index = None;
        for (position, part) in path.parts.iter().enumerate() {
            match part {
                AttrPart::Word(word) => {
                    name += if position == 0 { "" } else { "." };
                    name += word;
                }
                AttrPart::Index(text) => {
                    name += "[]";
                    index = Some(text.as_str());
                }
            }
        }
        let Some(attr) = Attr::named(&name) else {
            if self.is_lost(&name) {
                return None;
            }
            self.report(self.unknown_attribute(path, &name, scope));
            return None;
        };
        let def = attr.def();
        if !scope.admits(def.subject) {
            self.report(out_of_place(path, &written, def.subject, scope));
            return None;
        }
        self.check_index(attr, index, path.span)?;
        if let (Attr::Judge, Some(name)) = (attr, index) {
            let judge = self.judge(name, path.span)?;
            let declared = Declared {
                name: written.as_str().into(),
                source: Some(DeclaredSource::Judge(judge)),
                reading: Reading::share(),
                default: OwnedValue::Absent,
            };
            return Some(Resolved {
                operand: Operand::Declared(Arc::new(declared)),
                ty: def.ty.clone(),
                optional: true,
            });
        }
        if let Some(missing) = def.waits_for {
            self.wait(path.span, &format!("`{written}`"), missing);
        }
        let index = index.map(|text| match attr {
            Attr::Header => text.to_ascii_lowercase().into(),
            // The same pool has another name in another file.
            Attr::PoolHealthy => {
                let pool = self.names.targets.get(text);
                let named = pool.and_then(|pool| self.shared.target_names.get(pool));
                named.cloned().unwrap_or_else(|| text.into())
            }
            _ => text.into(),
        });
        Some(Resolved {
            operand: Operand::Attr(AttrRef { attr, index }),
            ty: def.ty.clone(),
            optional: def.optional,
        })
    }

    fn check_index(&mut self, attr: Attr, index: Option<&str>, span: Span) -> Option<()> {
        let Some(text) = index else { return Some(()) };
        // The text inside of the quotes, where it stands as it is.
        let span = match self.text[span.range()].find(&format!("\"{text}\"")) {
            Some(at) => {
                let start = span.start + at as u32 + 1;
                Span { start, end: start + text.len() as u32 }
            }
            None => span,
        };
        match attr.def().index {
            Index::Pool
                if !matches!(
                    self.names.targets.get(text),
                    Some(crate::policy::program::Target::Pool(_))
                ) && !self.is_lost(text) =>
            {
                let pools = self.names.targets.iter().filter_map(|(name, target)| {
                    matches!(target, crate::policy::program::Target::Pool(_))
                        .then_some(name.as_str())
                });
                let near = self.near(text, pools.collect::<Vec<_>>());
                let diagnostic = Diagnostic::error(
                    codes::UNKNOWN_TARGET,
                    span,
                    format!("no pool is called `{text}`"),
                    "unknown pool",
                );
                self.report(match near {
                    Some(near) => diagnostic.fix(format!("did you mean `{near}`?"), span, near),
                    None => diagnostic,
                });
                None
            }
            Index::Model => self.model(text, span).map(|_| ()),
            Index::Budget if !self.names.budgets.contains(text) && !self.is_lost(text) => {
                self.report(Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    span,
                    format!("no budget is called `{text}`"),
                    "unknown budget",
                ));
                None
            }
            _ => Some(()),
        }
    }

    fn unknown_attribute(&self, path: &AttrPath, name: &str, scope: Scope) -> Diagnostic {
        let written = path.to_string();
        let diagnostic = Diagnostic::error(
            codes::UNKNOWN_ATTRIBUTE,
            path.span,
            format!("there is no attribute `{written}`"),
            "unknown attribute",
        );
        if let Some(with_index) = Attr::named(&format!("{name}[]")) {
            let example = with_index.def().name.replace("[]", "[\"name\"]");
            return diagnostic.help(format!("it takes a name in brackets: `{example}`"));
        }
        if let Some(with_index) = in_brackets(name) {
            return diagnostic.fix("put the name in brackets", path.span, with_index);
        }
        let known = SCHEMA
            .iter()
            .filter(|def| scope.admits(def.subject) && def.name != "request.auto")
            .map(|def| def.name)
            .chain(self.names.conditions.keys().map(String::as_str))
            .chain(self.names.attributes.keys().map(String::as_str));
        if let Some(near) = self.near(name, known.collect::<Vec<_>>()) {
            return diagnostic.help(format!("did you mean `{near}`?")).fix(
                format!("use `{near}`"),
                path.span,
                near,
            );
        }
        let related = related(name, scope);
        let Some((first, others)) = related.split_first() else {
            return diagnostic.note("`pointsman schema` lists all attributes");
        };
        let mut diagnostic = diagnostic.fix(format!("did you mean `{first}`?"), path.span, *first);
        for other in others {
            diagnostic = diagnostic.fix(format!("or `{other}`?"), path.span, *other);
        }
        diagnostic
    }
}

/// `auto/NAME` leaves the choice to a policy like `auto`, so what is said of the one holds for both.
fn or_policy_by_name(attr: &str, says_auto: bool, equal: Cond) -> Cond {
    if attr != Attr::RequestModel.def().name || !says_auto {
        return equal;
    }
    let auto = Operand::Attr(AttrRef::plain(Attr::RequestAuto));
    Cond::Or(vec![equal, Cond::test(auto, Op::IsTrue, Span::default())])
}

/// `header.x-team`, as it is written: `header["x-team"]`.
fn in_brackets(name: &str) -> Option<String> {
    name.match_indices('.').find_map(|(dot, _)| {
        let attr = Attr::named(&format!("{}[]", &name[..dot]))?;
        (attr.def().index == Index::Text)
            .then(|| format!("{}[\"{}\"]", &name[..dot], &name[dot + 1..]))
    })
}

/// Attributes that share the part of the name that was remembered: `tokens` for `input.tokens`,
/// `user` for `user.id`, `key.organisation` for `key.org`. The commonest first, at most three.
fn related(name: &str, scope: Scope) -> Vec<&'static str> {
    let commonest = |attr: &str| {
        let first = attr.split('.').next().unwrap_or(attr);
        let order = ["key", "input", "request", "user", "session", "price"];
        order.iter().position(|known| *known == first).unwrap_or(order.len())
    };
    let fits = |attr: &&str| {
        let last = attr.rsplit('.').next().unwrap_or(attr);
        let longer = || {
            let (group, word) = name.rsplit_once('.')?;
            let (other, short) = attr.rsplit_once('.')?;
            Some(group == other && short.len() > 2 && word.starts_with(short))
        };
        last == name
            || attr.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
            || longer() == Some(true)
    };
    let plain = SCHEMA.iter().filter(|def| scope.admits(def.subject) && def.index == Index::None);
    let mut found: Vec<&'static str> = plain.map(|def| def.name).filter(fits).collect();
    found.sort_by_key(|attr| commonest(attr));
    found.truncate(3);
    found
}

/// `request.stream == 1`, `request.stream == "false"`
fn not_a_truth(named: (&str, Span), value: &Value, equality: Option<CompareOp>) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        codes::OPERATOR_FOR_TYPE,
        value.span,
        format!("`{}` is a yes or no, so it stands alone", named.0),
        "nothing to compare with",
    );
    let meant = match &value.kind {
        ValueKind::Name(word) => word.as_str(),
        ValueKind::Literal(literal) => literal.raw.trim_matches('"'),
    };
    let truth = match meant {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    };
    let (Some(truth), Some(op)) = (truth, equality) else {
        return diagnostic.help(format!("write `{0}` or `not {0}`", named.0));
    };
    let not = if truth == (op == CompareOp::Eq) { "" } else { "not " };
    let meant = format!("{not}{}", named.0);
    diagnostic.fix(format!("write `{meant}`"), named.1.to(value.span), meant)
}

fn out_of_place(path: &AttrPath, written: &str, subject: Subject, scope: Scope) -> Diagnostic {
    let (of, place) = match subject {
        Subject::Request => ("a request", "behind `when`"),
        Subject::Model => ("a model", "behind `models where`"),
        Subject::Attempt => ("an attempt", "behind `escalate when`"),
        Subject::Outcome => ("an outcome", "behind `expect`"),
    };
    let here = match scope {
        Scope::Request => "this condition is asked of the request",
        Scope::Model => "this condition is asked of each model",
        Scope::Attempt => "this condition is asked of an attempt",
        Scope::Outcome => "this condition is asked of what came of the request",
    };
    Diagnostic::error(
        codes::OUT_OF_PLACE,
        path.span,
        format!("`{written}` cannot be used here"),
        format!("a property of {of}"),
    )
    .note(here)
    .help(format!("it can stand {place}"))
}

fn example_test(name: &str, resolved: &Resolved) -> String {
    let example = match &resolved.ty {
        Type::Enum(members) => format!("== {}", members.iter().next().unwrap_or("…")),
        Type::String => "== \"…\"".into(),
        Type::Set => "has \"…\"".into(),
        Type::Time => "in some-schedule".into(),
        Type::Money => "< $0.10".into(),
        Type::Price(_) => "< $1/Mtok".into(),
        Type::Duration => "< 2s".into(),
        Type::Percent => "< 5%".into(),
        _ => "> 0".into(),
    };
    format!("for example `{name} {example}`")
}
