//! Rules that can never match, because others take every request that could come to them (P4001).

use super::escape::Room;
use super::findings::{Search, kind};
use super::prover::{Reach, RuleRef, Stops};
use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, Edit, Fix};
use crate::policy::syntax::tree::{Item, Span};

impl Search<'_> {
    pub fn dead_rules(&mut self) {
        let program = self.program;
        let rules = (0..program.denies.len())
            .map(RuleRef::Deny)
            .chain((0..program.requires.len()).map(RuleRef::Require))
            .chain((0..program.tunes.len()).map(RuleRef::Tune));
        for rule in rules {
            if let Reach::Never(by) = self.prover.reach(rule) {
                self.dead(rule, by);
            }
        }
        for index in 0..program.routes.len() {
            // A `default` that nobody comes to is a safety net.
            if program.routes[index].is_default {
                continue;
            }
            if let Reach::Never(by) = &self.routes[index] {
                let by = by.clone();
                self.dead(RuleRef::Route(index), by);
            }
        }
    }

    fn dead(&mut self, rule: RuleRef, by: Vec<RuleRef>) {
        let rooms = self.prover.rooms_of(rule);
        let this = self.rule(rule);
        let synthetic = matches!(rule, RuleRef::Tune(_)) && this.name.ends_with(".defaults");
        if self.prover.regions(&this.own).is_ok_and(|own| own.is_empty()) || synthetic {
            return; // False on its own, which is told where its condition is looked at.
        }
        let by = self.prover.fewest(&rooms, by);
        let called = self.called(rule);
        let message = format!("{called} can never match");
        let mut found =
            Diagnostic::warning(codes::NEVER_MATCHES, this.span, message, "unreachable");
        let alone = by.len() == 1;
        for other in by.iter().take(4) {
            let here = match other {
                RuleRef::Deny(_) if alone => {
                    format!("every request that could reach `{}` is denied here", this.name)
                }
                RuleRef::Deny(_) => "some of its requests are denied here".to_owned(),
                _ if alone => {
                    format!("every request that could reach `{}` stops here", this.name)
                }
                _ => "some of its requests stop here".to_owned(),
            };
            found = found.also(self.rule(*other).span, here);
        }
        if by.len() > 4 {
            found = found.note(format!("and {} more rules take the rest", by.len() - 4));
        }
        if by.is_empty() {
            found = if self.program.assumptions.is_empty() {
                found.note("no request meets its whole condition, that of its `delegate` included")
            } else {
                found.note("what the policy assumes rules out every request that would match")
            };
        }
        found = self.with_way_out(found, rule, &rooms, &by);
        found = found.note(format!(
            "`pointsman explain --why-dead {}` prints the covering rules",
            this.name
        ));
        self.report(found);
    }

    /// Moving a route up, where that makes it reachable and leaves something for the other.
    fn with_way_out(
        &self,
        found: Diagnostic,
        rule: RuleRef,
        rooms: &[Room],
        by: &[RuleRef],
    ) -> Diagnostic {
        let RuleRef::Route(index) = rule else {
            return match (rule, by.first()) {
                (_, Some(RuleRef::Deny(_))) if by.len() == 1 => {
                    found.help(format!("remove it, or narrow `{}`", self.rule(by[0]).name))
                }
                _ => found.help(format!("remove this {}", kind(rule))),
            };
        };
        let first = by.iter().find_map(|by| match by {
            RuleRef::Route(first) => Some(*first),
            _ => None,
        });
        let Some(first) = first else {
            return found.help(match by.is_empty() {
                true => "remove it",
                false => "remove it, or narrow the `deny`",
            });
        };
        let reachable =
            self.prover.any_escapes(rooms, &self.prover.before(RuleRef::Route(first)), &[]);
        let other = RuleRef::Route(first);
        let stops: Stops = self.prover.before(other).and(rule);
        let left = self.prover.any_escapes(&self.prover.rooms_of(other), &stops, &[]);
        let (name, above) = (&self.rule(rule).name, &self.rule(other).name);
        if !matches!((&reachable, &left), (Reach::Here(_), Reach::Here(_))) {
            return found.help(format!("remove it, or narrow `{above}`"));
        }
        match self.moved(self.program.routes[index].rule.span, self.rule(other).span) {
            Some(edits) => {
                let mut found = found;
                found.fixes.push(Fix { title: format!("move `{name}` above `{above}`"), edits });
                found
            }
            None => found.help(format!("move `{name}` above `{above}`")),
        }
    }

    /// The statement at a place moved before another of the same file, where both stand on lines of
    /// their own.
    fn moved(&self, from: Span, before: Span) -> Option<Vec<Edit>> {
        let (unit, item) = self.item_at(from)?;
        let (other_unit, other) = self.item_at(before)?;
        if !std::ptr::eq(unit, other_unit) || matches!(other.node, Item::Delegate { .. }) {
            return None;
        }
        let text = self.program.sources.text();
        let lines = |span: Span| {
            let start = text[..span.start as usize].rfind('\n').map_or(0, |at| at + 1);
            let end = text[span.end as usize..].find('\n').map(|at| span.end as usize + at + 1);
            let own_start = text[start..span.start as usize].trim().is_empty();
            let end = end.unwrap_or(text.len());
            let rest = text[span.end as usize..end].trim();
            (own_start && (rest.is_empty() || rest.starts_with('#'))).then_some((start, end))
        };
        let ((start, end), (at, _)) = (lines(item.span)?, lines(other.span)?);
        let moved = text[start..end].trim_end_matches('\n');
        let span = |start: usize, end: usize| Span { start: start as u32, end: end as u32 };
        Some(vec![
            Edit { span: span(at, at), text: format!("{moved}\n") },
            Edit { span: span(start, end), text: String::new() },
        ])
    }
}
