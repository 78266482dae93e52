//! Conditions, values, targets and sets of models.

use super::super::grammar::Rule;
use super::super::tree::{
    AttrPart, AttrPath, Breach, By, CompareOp, Cond, CondKind, HasKind, Knob, Membership, Name,
    Pick, PickStrategy, Range, SetExpr, SetOp, SetTerm, Spanned, Target, TargetKind, Test, Value,
    ValueKind,
};
use super::{Lower, P, kids};

impl Lower<'_> {
    /// A condition, or the `when` that carries one.
    pub fn cond(&mut self, pair: P<'_>) -> Option<Cond> {
        let span = self.trim(self.span(&pair));
        match pair.as_rule() {
            Rule::when | Rule::paren => {
                let inner = kids(pair).next()?;
                self.cond(inner)
            }
            Rule::cond => self.joined(pair, CondKind::Or),
            Rule::conj => self.joined(pair, CondKind::And),
            Rule::unary => {
                let mut parts = kids(pair);
                let inner = parts.next()?;
                let (nots, end) = (parts.words.len(), self.span(&inner).end);
                let mut cond = self.cond(inner)?;
                for _ in 0..nots {
                    let span = super::Span { start: span.start, end };
                    cond = Cond { kind: CondKind::Not(Box::new(cond)), span };
                }
                Some(cond)
            }
            Rule::atom => {
                let mut parts = kids(pair);
                let attr = self.attr(parts.next()?);
                let test = match parts.next() {
                    Some(tail) => Some(self.test_of(tail)?),
                    None => None,
                };
                Some(Cond { kind: CondKind::Atom { attr, test }, span })
            }
            _ => None,
        }
    }

    fn joined(&mut self, pair: P<'_>, join: fn(Vec<Cond>) -> CondKind) -> Option<Cond> {
        let span = self.trim(self.span(&pair));
        let parts = kids(pair).content;
        let mut conds = parts.map(|part| self.cond(part)).collect::<Option<Vec<_>>>()?;
        match conds.len() {
            1 => conds.pop(),
            _ => Some(Cond { kind: join(conds), span }),
        }
    }

    fn test_of(&mut self, pair: P<'_>) -> Option<Test> {
        let rule = pair.as_rule();
        let mut parts = kids(pair);
        Some(match rule {
            Rule::compare => {
                let op = parts.next()?;
                let symbol = match op.as_str() {
                    "==" => CompareOp::Eq,
                    "!=" => CompareOp::Ne,
                    "<" => CompareOp::Lt,
                    "<=" => CompareOp::Le,
                    ">" => CompareOp::Gt,
                    _ => CompareOp::Ge,
                };
                let op = Spanned::new(symbol, self.span(&op));
                Test::Compare(op, self.value(parts.next()?)?)
            }
            Rule::member => {
                let negated = parts.has(Rule::k_not);
                let set = parts.next()?;
                let set = match set.as_rule() {
                    Rule::range => Membership::Range(self.range(set)?),
                    Rule::list => Membership::List(self.list(set)?),
                    _ => Membership::Name(self.name(set)),
                };
                Test::In { negated, set }
            }
            Rule::presence => {
                let present = parts.next()?.as_str() == "present";
                Test::Present(present != parts.has(Rule::k_not))
            }
            Rule::contains => {
                let kind = match (parts.has(Rule::k_any), parts.has(Rule::k_all)) {
                    (true, _) => HasKind::Any,
                    (_, true) => HasKind::All,
                    _ => HasKind::One,
                };
                let what = parts.next()?;
                let values = match what.as_rule() {
                    Rule::list => self.list(what)?.node,
                    _ => vec![self.value(what)?],
                };
                Test::Has(kind, values)
            }
            Rule::like => {
                let what = parts.next()?;
                let globs = match what.as_rule() {
                    Rule::globs => kids(what).content.map(|glob| self.text(glob)).collect(),
                    _ => vec![self.text(what)],
                };
                Test::Like(globs)
            }
            Rule::matches => {
                let regex = parts.next()?;
                let pattern = regex.as_str();
                let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
                let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
                // `\/` only keeps the slash from ending the pattern.
                Test::Matches(Spanned::new(unslash(pattern), self.span(&regex)))
            }
            _ => return None,
        })
    }

    /// An attribute, word by word.
    pub fn attr(&mut self, pair: P<'_>) -> AttrPath {
        let span = self.span(&pair);
        let parts = pair
            .into_inner()
            .map(|part| match part.as_rule() {
                Rule::string => AttrPart::Index(self.text(part).node),
                _ => AttrPart::Word(part.as_str().to_owned()),
            })
            .collect();
        AttrPath { parts, span }
    }

    /// A constant or a name.
    pub fn value(&mut self, pair: P<'_>) -> Option<Value> {
        let inner = match pair.as_rule() {
            Rule::value => kids(pair).next()?,
            _ => pair,
        };
        let span = self.span(&inner);
        let kind = match inner.as_rule() {
            Rule::name | Rule::ident => ValueKind::Name(inner.as_str().to_owned()),
            _ => ValueKind::Literal(self.literal(inner).node),
        };
        Some(Value { kind, span })
    }

    /// `[a, b]`
    pub fn list(&mut self, pair: P<'_>) -> Option<Spanned<Vec<Value>>> {
        let span = self.span(&pair);
        let values = kids(pair).content.map(|v| self.value(v)).collect::<Option<_>>()?;
        Some(Spanned::new(values, span))
    }

    /// `a..b`
    pub fn range(&mut self, pair: P<'_>) -> Option<Range> {
        let mut parts = kids(pair);
        Some(Range { from: self.literal(parts.next()?), to: self.literal(parts.next()?) })
    }

    /// A target, or the `->` that leads to one.
    pub fn target(&mut self, pair: P<'_>) -> Option<Target> {
        match pair.as_rule() {
            Rule::goes => {
                let inner = kids(pair).next()?;
                self.target(inner)
            }
            _ => {
                let inner = kids(pair).next()?;
                let (span, text) = (self.span(&inner), inner.as_str().to_owned());
                let kind = match inner.as_rule() {
                    Rule::model => TargetKind::Model(text),
                    _ => TargetKind::Name(text),
                };
                Some(Target { kind, span })
            }
        }
    }

    /// Several targets behind each other.
    pub fn targets(&mut self, pair: P<'_>) -> Option<Vec<Target>> {
        kids(pair).content.map(|target| self.target(target)).collect()
    }

    /// The names behind an `on`.
    pub fn names(&mut self, pair: P<'_>) -> Vec<Name> {
        kids(pair).content.map(|name| self.name(name)).collect()
    }

    /// `[a, b] plus c except d`
    pub fn set_expr(&mut self, pair: P<'_>) -> Option<SetExpr> {
        let mut parts = kids(pair);
        let first = self.set_term(parts.next()?)?;
        let mut rest = Vec::new();
        while let Some(op) = parts.next() {
            let op = match kids(op).has(Rule::k_plus) {
                true => SetOp::Plus,
                false => SetOp::Except,
            };
            rest.push((op, self.set_term(parts.next()?)?));
        }
        Some(SetExpr { first, rest })
    }

    fn set_term(&mut self, pair: P<'_>) -> Option<Spanned<SetTerm>> {
        let span = self.trim(self.span(&pair));
        let mut parts = kids(pair);
        let term = match parts.next() {
            Some(members) if members.as_rule() == Rule::members => {
                SetTerm::List(self.targets(members)?)
            }
            Some(cond) if cond.as_rule() == Rule::cond => SetTerm::Models(Some(self.cond(cond)?)),
            Some(name) => SetTerm::Name(name.as_str().to_owned()),
            None => SetTerm::Models(None),
        };
        Some(Spanned::new(term, span))
    }

    /// `pick best of 3`
    pub fn pick(&mut self, pair: P<'_>) -> Option<Pick> {
        let mut parts = kids(pair);
        let by = parts.next()?;
        let span = self.trim(self.span(&by));
        let strategy = match (by.as_rule(), by.as_str()) {
            (Rule::ranking, _) => {
                let mut script = kids(by);
                let file = self.text(script.next()?);
                PickStrategy::Script(file, self.knobs(script.next())?)
            }
            (_, "cheapest") => PickStrategy::Cheapest,
            (_, "fastest") => PickStrategy::Fastest,
            (_, "best") => PickStrategy::Best,
            (_, "first") => PickStrategy::First,
            (_, "least-busy") => PickStrategy::LeastBusy,
            _ => PickStrategy::RoundRobin,
        };
        let of = parts.next().map(|count| self.count(count));
        Some(Pick { strategy: Spanned::new(strategy, span), of })
    }

    /// The settings of a script, if it has any.
    pub fn knobs(&mut self, pair: Option<P<'_>>) -> Option<Vec<Knob>> {
        let Some(pair) = pair else { return Some(Vec::new()) };
        kids(pair)
            .content
            .map(|knob| {
                let mut parts = kids(knob);
                let name = self.name(parts.next()?);
                Some(Knob { name, value: self.literal(parts.next()?) })
            })
            .collect()
    }

    /// `by user.id salt "x"`
    pub fn by(&mut self, pair: P<'_>) -> By {
        let mut by = By { attrs: Vec::new(), salt: None };
        for part in kids(pair).content {
            match part.as_rule() {
                Rule::string => by.salt = Some(self.text(part)),
                _ => by.attrs.push(self.attr(part)),
            }
        }
        by
    }

    /// `degrade to small`
    pub fn breach(&mut self, pair: P<'_>) -> Option<Breach> {
        let mut parts = kids(pair);
        if parts.has(Rule::k_warn) {
            return Some(Breach::Warn);
        }
        if parts.has(Rule::k_deny) {
            return Some(Breach::Deny(parts.next().map(|text| self.text(text))));
        }
        let operand = parts.next()?;
        match operand.as_rule() {
            Rule::target => Some(Breach::Degrade(self.target(operand)?)),
            _ => Some(Breach::Queue(self.literal(operand))),
        }
    }
}

/// Takes back the backslashes that stand before slashes, and no others.
fn unslash(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('/')) => {}
            ('\\', Some(next)) => {
                plain.push('\\');
                plain.push(next);
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}
