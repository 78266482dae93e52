//! Requests that nobody takes (P4004), and routes that can end with no model (P4005).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cells::{Cell, Leaf, leaves, ways};
use super::escape::{Region, Room};
use super::example::{example, example_for, listed};
use super::findings::Search;
use super::prover::{Reach, RuleRef, Stops};
use crate::catalog::ModelIdx;
use crate::policy::codes;
use crate::policy::cond::{Cond, Op, Operand};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::plain::Said;
use crate::policy::plan::Decision;
use crate::policy::program::{CapBreach, Settings, Target};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::{Item, Span};

/// Something that takes a model away from some requests.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Taker {
    /// What the model lacks, by its number.
    Lack(usize),
    /// This `require`.
    Require(usize),
}

/// Models that the same things take away.
struct Group {
    models: Vec<ModelIdx>,
    takers: Vec<Taker>,
}

impl Search<'_> {
    /// Without a `default`: whether the routes take every request that leaves the choice to them.
    pub fn gap(&mut self) {
        let program = self.program;
        let own = self.units.first().map_or(&[][..], |unit| &unit.tree.items);
        if own.iter().any(|line| matches!(line.node, Item::Default { .. })) {
            return;
        }
        let auto = Operand::Attr(AttrRef::plain(Attr::RequestAuto));
        let auto = Cond::test(auto, Op::IsTrue, Span::default());
        let everything = self.prover.axes.everything();
        let regions = self.prover.regions(&auto).unwrap_or_default();
        let rooms = self.prover.rooms_in(&everything, &regions);
        let stops =
            Stops { denies: program.denies.len(), routes: program.routes.len(), more: Vec::new() };
        let note = match self.prover.any_escapes(&rooms, &stops, &[]) {
            Reach::Never(_) => return,
            Reach::Here(room) => {
                let (said, certain) = self.prover.request(&room);
                let confirmed = self.comes_to(&said, None);
                debug_assert!(confirmed || !certain, "{}", example(&said));
                match confirmed {
                    true => format!("example: {}", example(&said)),
                    false => {
                        "a request may fall through; a regular expression keeps it from being \
                              shown"
                            .to_owned()
                    }
                }
            }
            Reach::Undecided => {
                "that every request is taken was not decided; a `default` settles it".to_owned()
            }
        };
        let span = self.end_of_file();
        self.report(
            Diagnostic::error(
                codes::GAP,
                span,
                "there is no `default`",
                "the file ends here; what happens to a request that no route takes?",
            )
            .help("end the file with `default -> POOL`")
            .note(note),
        );
    }

    /// The first line of the last statement: its block says nothing about what is missing.
    fn end_of_file(&self) -> Span {
        let items = self.units.first().map_or(&[][..], |unit| &unit.tree.items);
        let last = items.last().map_or_else(Span::default, |line| line.span);
        let text = self.program.sources.slice(last).lines().next().unwrap_or_default();
        Span { start: last.start, end: last.start + text.trim_end().len() as u32 }
    }

    pub fn nobody_left(&mut self) {
        for index in 0..self.program.routes.len() {
            if matches!(self.routes[index], Reach::Here(_))
                && let Some(found) = self.route_without_model(index)
            {
                self.report(found);
            }
        }
    }

    fn route_without_model(&self, index: usize) -> Option<Diagnostic> {
        let program = self.program;
        let route = &program.routes[index];
        if route.target == Target::Requested {
            return None; // Whoever names a model gets that one or an error.
        }
        let rooms = self.prover.rooms_of(RuleRef::Route(index));
        let stops = self.prover.before(RuleRef::Route(index));
        let matters = |tune: &Settings| !tune.only.is_empty() || tune.fallback.is_some();
        let cells = self.cells(&rooms, &stops, Some(index), &matters)?;
        let ways = ways(program, route.target);
        for cell in &cells {
            for way in &ways {
                let (room, said, certain) = match self.empties(cell, way) {
                    Some(found) => found,
                    None => continue,
                };
                if certain && !self.comes_to(&said, Some(index)) {
                    debug_assert!(false, "not at `{}`: {}", route.rule.name, example(&said));
                    continue;
                }
                let decision = self.shape.decide(program, &said);
                let always = self.always_empty(cell, way);
                return match decision {
                    Decision::NoCandidate(nobody) => {
                        let removed = nobody.removed.iter().map(|it| (it.model, it.by.to_string()));
                        Some(self.told(index, way, &said, removed.collect(), always))
                    }
                    // The cap takes the rest, which is what it is for.
                    Decision::Denied(_) => None,
                    // The bucket of the example is another arm's.
                    _ if ways.len() > 1 => {
                        let removed = self.removals(cell, way, &room, &said);
                        Some(self.told(index, way, &said, removed, always))
                    }
                    _ => None,
                };
            }
        }
        None
    }

    /// A room of requests for which no model of a way is left: the fewest reasons first.
    fn empties(&self, cell: &Cell, way: &[Leaf]) -> Option<(Room, Said, bool)> {
        let program = self.program;
        let mut lacks: Vec<Region> = Vec::new();
        let mut groups: BTreeMap<Vec<Taker>, Vec<ModelIdx>> = BTreeMap::new();
        let mut all: Vec<Leaf> = way.to_vec();
        if let Some(fallback) = &cell.settings.fallback {
            let to = fallback.to.iter();
            let role = super::cells::Role::Fallback(fallback.at.0);
            all.extend(to.flat_map(|to| leaves(program, *to, role)));
        }
        if all.iter().any(|leaf| leaf.requested) {
            return None;
        }
        for leaf in &all {
            let settings = leaf.settings(&cell.settings);
            let uncapped = Settings { cap: None, ..(*settings).clone() };
            for (model, _) in &leaf.models {
                if !leaf.keeps(&settings, *model) {
                    continue;
                }
                let requires = program.requires.iter().enumerate();
                let mut takers: Vec<Taker> = requires
                    .filter(|(_, require)| !require.only.pass.contains(*model))
                    .map(|(index, _)| Taker::Require(index))
                    .collect();
                for region in self.shape.barred(&self.prover, *model, &uncapped, false).iter() {
                    let known = lacks.iter().position(|known| known == region);
                    takers.push(Taker::Lack(known.unwrap_or_else(|| {
                        lacks.push(region.clone());
                        lacks.len() - 1
                    })));
                }
                if takers.is_empty() {
                    return None;
                }
                groups.entry(takers).or_default().push(*model);
            }
        }
        let mut groups: Vec<Group> =
            groups.into_iter().map(|(takers, models)| Group { models, takers }).collect();
        groups.sort_by_key(|group| group.takers.len());
        let mut left = 4_000;
        (0..=4).find_map(|most| {
            self.take(&cell.rooms, &cell.stops, &groups, &lacks, &mut Vec::new(), most, &mut left)
        })
    }

    /// Takes away group after group, with at most so many takers.
    #[expect(clippy::too_many_arguments, reason = "the state of one small search")]
    fn take(
        &self,
        rooms: &[Room],
        stops: &Stops,
        groups: &[Group],
        lacks: &[Region],
        taken: &mut Vec<Taker>,
        most: usize,
        left: &mut u32,
    ) -> Option<(Room, Said, bool)> {
        *left = left.checked_sub(1)?;
        let open = groups.iter().find(|group| !group.takers.iter().any(|it| taken.contains(it)));
        let Some(open) = open else {
            let Reach::Here(room) = self.prover.any_escapes(rooms, stops, &[]) else { return None };
            let (said, certain) = self.prover.request(&room);
            return Some((room, said, certain));
        };
        debug_assert!(!open.models.is_empty());
        if most == 0 {
            return None;
        }
        for taker in &open.takers {
            let cut = match taker {
                Taker::Require(index) => {
                    self.cut(rooms, self.prover.regions_of(RuleRef::Require(*index)))
                }
                Taker::Lack(index) => self.cut(rooms, &lacks[*index..=*index]),
            };
            if cut.is_empty() {
                continue;
            }
            taken.push(taker.clone());
            let found = self.take(&cut, stops, groups, lacks, taken, most - 1, left);
            taken.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether no request at all is left a model by these settings.
    fn always_empty(&self, cell: &Cell, way: &[Leaf]) -> bool {
        way.iter().all(|leaf| {
            let settings = leaf.settings(&cell.settings);
            !leaf.models.iter().any(|(model, _)| leaf.keeps(&settings, *model))
        })
    }

    fn removals(
        &self,
        cell: &Cell,
        way: &[Leaf],
        room: &Room,
        said: &Said,
    ) -> Vec<(ModelIdx, String)> {
        let program = self.program;
        let mut removed = Vec::new();
        for leaf in way {
            let settings: Arc<Settings> = leaf.settings(&cell.settings);
            for (model, _) in &leaf.models {
                let require = program.requires.iter().enumerate().find(|(index, require)| {
                    !require.only.pass.contains(*model)
                        && self
                            .prover
                            .regions_of(RuleRef::Require(*index))
                            .iter()
                            .any(|it| it.meets(room))
                });
                let why = match require {
                    Some((_, require)) => {
                        format!(
                            "`require {}`: only models where {}",
                            require.rule.name, require.only.text
                        )
                    }
                    None => match self.shape.removed(program, said, *model, &settings, false) {
                        Some(by) => by.to_string(),
                        None => continue,
                    },
                };
                removed.push((*model, why));
            }
        }
        removed
    }

    fn told(
        &self,
        index: usize,
        way: &[Leaf],
        said: &Said,
        removed: Vec<(ModelIdx, String)>,
        always: bool,
    ) -> Diagnostic {
        let program = self.program;
        let called = self.called(RuleRef::Route(index));
        let message = match always {
            true => format!("{called} never has a model"),
            false => format!("{called} can end with no model"),
        };
        let span = self.program.routes[index].rule.span;
        let mut found = Diagnostic::warning(
            codes::NO_MODEL_LEFT,
            span,
            message,
            "takes a request that no model is left for",
        );
        for leaf in way.iter().take(2) {
            if let Some(pool) = leaf.pool
                && !program.pools[pool].members.is_empty()
            {
                let span = program.pools[pool].span;
                found = found.also(span, "none of these is left");
            }
        }
        let own = &program.routes[index].rule.own;
        found = found.note(format!("example: {}", example_for(said, &[own])));
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for (model, why) in removed {
            let name = program.catalog[model].id.to_string();
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => reasons.push((why, vec![name])),
            }
        }
        for (why, names) in reasons.iter().take(3) {
            found = found.note(format!("without {}: {why}", listed(names)));
        }
        let degrades = program.routes[index].settings.cap.as_ref();
        let degrades = degrades.is_some_and(|cap| matches!(cap.breach, CapBreach::Degrade(_)));
        let advice = if always {
            "relax the condition, or send the route elsewhere"
        } else if degrades {
            "add a model that can, or a `fallback`; a cap's `degrade` is only for money"
        } else {
            "add a model that can to the pool, a `fallback`, or a `deny` that says why"
        };
        found.help(advice)
    }
}
