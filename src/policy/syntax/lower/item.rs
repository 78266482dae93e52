//! Items.

use super::super::grammar::Rule;
use super::super::tree::{Item, LetBody, LimitAmount, Schedule, Source, Spanned, TypeExpr};
use super::{Lower, P, kids};

impl Lower<'_> {
    /// Any item.
    pub fn item(&mut self, pair: P<'_>) -> Option<Item> {
        let rule = pair.as_rule();
        let mut parts = kids(pair);
        Some(match rule {
            Rule::language => Item::Language(self.count(parts.next()?)),
            Rule::import => Item::Import {
                path: self.text(parts.next()?),
                alias: parts.next().map(|name| self.name(name)),
            },
            Rule::enum_decl => Item::Enum {
                name: self.name(parts.next()?),
                members: parts.content.map(|name| self.name(name)).collect(),
            },
            Rule::attribute => Item::Attribute {
                attr: self.attr(parts.next()?),
                ty: self.type_expr(parts.next()?)?,
                source: match parts.opt(Rule::source) {
                    Some(source) => Some(self.source(source)?),
                    None => None,
                },
                default: match parts.next() {
                    Some(value) => Some(self.value(value)?),
                    None => None,
                },
            },
            Rule::let_decl => {
                let name = self.name(parts.next()?);
                let body = parts.next()?;
                let body = match body.as_rule() {
                    Rule::list => LetBody::List(self.list(body)?),
                    _ => LetBody::Cond(self.cond(body)?),
                };
                Item::Let { name, body }
            }
            Rule::schedule => Item::Schedule(Schedule {
                name: self.name(parts.next()?),
                from: self.name(parts.next()?),
                to: parts.opt(Rule::ident).map(|day| self.name(day)),
                hours: match parts.opt(Rule::hours) {
                    Some(hours) => {
                        let mut clocks = kids(hours);
                        Some((self.literal(clocks.next()?), self.literal(clocks.next()?)))
                    }
                    None => None,
                },
                zone: self.name(parts.next()?),
            }),
            Rule::assume => Item::Assume(self.cond(parts.next()?)?),
            Rule::pool => Item::Pool {
                name: self.name(parts.next()?),
                set: self.set_expr(parts.next()?)?,
                pick: match parts.next() {
                    Some(pick) => Some(self.pick(pick)?),
                    None => None,
                },
            },
            Rule::ladder => Item::Ladder {
                name: self.name(parts.next()?),
                rungs: self.block(parts.next()?, Self::rung),
            },
            Rule::split => Item::Split {
                name: self.name(parts.next()?),
                by: parts.opt(Rule::by).map(|by| self.by(by)),
                arms: self.block(parts.next()?, Self::arm),
            },
            Rule::experiment => Item::Experiment {
                name: self.name(parts.next()?),
                by: self.by(parts.next()?),
                lines: self.block(parts.next()?, Self::trial),
            },
            Rule::budget => Item::Budget {
                name: self.name(parts.next()?),
                amount: self.literal(parts.next()?),
                period: self.name(parts.next()?),
                per: self.attr(parts.next()?),
                when: self.opt_when(parts.opt(Rule::when))?,
                marks: self.block(parts.next()?, Self::mark),
            },
            Rule::limit => Item::Limit {
                name: self.name(parts.next()?),
                amount: {
                    let amount = parts.next()?;
                    match amount.as_rule() {
                        Rule::concurrent => {
                            LimitAmount::Concurrent(self.literal(kids(amount).next()?))
                        }
                        _ => LimitAmount::Rate(self.literal(amount)),
                    }
                },
                per: self.attr(parts.next()?),
                when: self.opt_when(parts.opt(Rule::when))?,
                breach: self.breach(parts.next()?)?,
            },
            Rule::deny => Item::Deny {
                name: self.name(parts.next()?),
                when: self.cond(parts.next()?)?,
                because: self.text(parts.next()?),
                status: parts.next().map(|status| self.count(status)),
            },
            Rule::require => Item::Require {
                name: self.name(parts.next()?),
                when: self.opt_when(parts.opt(Rule::when))?,
                only: self.cond(kids(parts.next()?).next()?)?,
            },
            Rule::defaults => Item::Defaults(self.block(parts.next()?, Self::stmt)),
            Rule::tune => Item::Tune {
                name: self.name(parts.next()?),
                when: self.cond(parts.next()?)?,
                body: self.block(parts.next()?, Self::stmt),
            },
            Rule::route => Item::Route {
                name: self.name(parts.next()?),
                when: self.cond(parts.next()?)?,
                to: self.target(parts.next()?)?,
                body: parts.next().map(|body| self.block(body, Self::stmt)),
            },
            Rule::default => Item::Default {
                to: self.target(parts.next()?)?,
                body: parts.next().map(|body| self.block(body, Self::stmt)),
            },
            Rule::delegate => Item::Delegate {
                name: self.name(parts.next()?),
                when: self.cond(parts.next()?)?,
                to: self.text(parts.next()?),
            },
            Rule::alias => {
                Item::Alias { from: self.text(parts.next()?), to: self.target(parts.next()?)? }
            }
            Rule::invariant => Item::Invariant {
                name: self.name(parts.next()?),
                when: self.opt_when(parts.opt(Rule::when))?,
                claims: self.block(parts.next()?, Self::claim),
            },
            Rule::test => Item::Test {
                name: self.text(parts.next()?),
                lines: self.block(parts.next()?, Self::probe),
            },
            _ => return None,
        })
    }

    /// `Some(None)` where there is no condition, `None` where there is one that cannot be read.
    pub fn opt_when(&mut self, pair: Option<P<'_>>) -> Option<Option<super::super::tree::Cond>> {
        match pair {
            Some(pair) => self.cond(pair).map(Some),
            None => Some(None),
        }
    }

    fn type_expr(&mut self, pair: P<'_>) -> Option<Spanned<TypeExpr>> {
        let span = self.trim(self.span(&pair));
        let mut parts = kids(pair);
        let ty = if parts.has(Rule::k_enum) {
            TypeExpr::Enum(parts.content.map(|name| self.name(name)).collect())
        } else {
            let word = parts.next()?;
            let name = word.as_str().to_owned();
            match word.as_rule() {
                Rule::scalar => {
                    let range = match parts.next() {
                        Some(range) => Some(self.range(range)?),
                        None => None,
                    };
                    TypeExpr::Scalar { name, range }
                }
                _ => TypeExpr::Named(name),
            }
        };
        Some(Spanned::new(ty, span))
    }

    fn source(&mut self, pair: P<'_>) -> Option<Source> {
        let mut parts = kids(pair);
        let (script, classifier) = (parts.has(Rule::k_script), parts.has(Rule::k_classifier));
        let first = parts.next()?;
        Some(match first.as_rule() {
            Rule::attr => Source::Attr(self.attr(first)),
            _ if script => Source::Script(self.text(first), self.knobs(parts.next())?),
            _ if classifier => Source::Classifier(self.text(first), self.knobs(parts.next())?),
            _ => Source::Header(self.text(first)),
        })
    }
}
