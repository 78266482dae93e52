//! Models that are switched off soon (P4014).

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::findings::Search;
use crate::catalog::{Catalog, Model, ModelIdx};
use crate::ids::ModelId;
use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::load::Role;
use crate::policy::program::Pool;
use crate::policy::syntax::tree::Span;

/// How long before its end a model is told of, in days.
const NOTICE: i32 = 30;

impl Search<'_> {
    pub fn retiring(&mut self) {
        let Some(today) = self.today else { return };
        let program = self.program;
        let ends = |model: ModelIdx| {
            let retires = program.catalog[model].retires?;
            ((retires - today).get_days() <= NOTICE).then_some(retires)
        };
        let mut named: BTreeMap<u32, (Span, ModelIdx)> = BTreeMap::new();
        for unit in self.units.iter().filter(|unit| unit.role != Role::Library) {
            for line in &unit.tree.items {
                super::unused::each_target(&line.node, &mut |target| {
                    if let crate::policy::syntax::tree::TargetKind::Model(id) = &target.kind
                        && let Some(model) = program.catalog.get(&ModelId::new(id.as_str()))
                    {
                        named.insert(target.span.start, (target.span, model));
                    }
                });
            }
        }
        let mut told: Vec<ModelIdx> = Vec::new();
        for (span, model) in named.into_values() {
            if let Some(date) = ends(model)
                && !told.contains(&model)
            {
                told.push(model);
                let found = self.told_retiring(span, &program.catalog[model], date, today);
                self.report(found);
            }
        }
        for pool in &program.pools {
            let all = pool.members.iter().map(|member| ends(member.model));
            let last = all.collect::<Option<Vec<Date>>>().and_then(|dates| dates.into_iter().max());
            let by_name = pool.members.iter().any(|member| told.contains(&member.model));
            if let Some(last) = last
                && !by_name
                && !pool.members.is_empty()
                && !self.in_library(pool.span)
            {
                let found = pool_ends(pool, last);
                self.report(found);
            }
        }
    }

    fn told_retiring(&self, span: Span, model: &Model, date: Date, today: Date) -> Diagnostic {
        let days = (date - today).get_days();
        let (message, label) = if days < 0 {
            (format!("{} was switched off on {date}", model.id), "gone".to_owned())
        } else {
            let left = if days == 1 { "day" } else { "days" };
            (format!("{} retires on {date}", model.id), format!("{days} {left} left"))
        };
        let found = Diagnostic::warning(codes::RETIRES, span, message, label);
        match successor(&self.program.catalog, model, today) {
            Some(next) => {
                found.fix(format!("use `{}`, of the same family", next.id), span, next.id.as_str())
            }
            None => found.help("name another model"),
        }
    }
}

fn pool_ends(pool: &Pool, last: Date) -> Diagnostic {
    let message = format!("all models of pool `{}` retire by {last}", pool.name);
    Diagnostic::warning(codes::RETIRES, pool.span, message, "nobody is left then")
        .help("widen its condition")
}

/// A model of the same family at the same provider that stays, the newest fact first.
fn successor<'c>(catalog: &'c Catalog, model: &Model, today: Date) -> Option<&'c Model> {
    let stays = |other: &&Model| {
        other.retires.is_none_or(|date| (date - today).get_days() > NOTICE)
            && other.provider == model.provider
            && other.family == model.family
            && other.id != model.id
            && other.capabilities.embeddings == model.capabilities.embeddings
    };
    let quality =
        |it: &&Model| it.quality.as_ref().map_or(0, |quality| (quality.overall * 100.0) as u64);
    catalog.models().iter().filter(stays).max_by_key(quality)
}
