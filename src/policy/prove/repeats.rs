//! Second chances that are none: fallbacks, degrades and steps that ask the same models again (P4010).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cells::{Leaf, Role, leaves, ways};
use super::findings::Search;
use super::prover::Reach;
use crate::catalog::ModelIdx;
use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::program::{CapBreach, Settings, Target};
use crate::policy::syntax::tree::Span;

/// What was found of a directive, over all routes for which it holds.
struct Use {
    span: Span,
    /// Whether it was useless everywhere so far.
    useless: bool,
    what: &'static str,
}

impl Search<'_> {
    pub fn repeats(&mut self) {
        self.repeated_steps();
        let mut uses: BTreeMap<(u32, u32), Use> = BTreeMap::new();
        for (index, route) in self.program.routes.iter().enumerate() {
            if !matches!(self.routes[index], Reach::Here(_)) || route.target == Target::Requested {
                continue;
            }
            for settings in self.settings_of(index) {
                self.look(route.target, &settings, &mut uses);
            }
        }
        for (_, it) in uses.into_iter().filter(|(_, it)| it.useless) {
            let (message, label, help) = match it.what {
                "fallback" => (
                    "this fallback asks nobody who was not asked already",
                    "none of its models may be asked that was not asked before",
                    "name other models, or remove it",
                ),
                _ => (
                    "this cap degrades to models that it has ruled out already",
                    "none of its models may be asked that was not asked before",
                    "name cheaper models, or `else deny \"…\"`",
                ),
            };
            let found = Diagnostic::warning(codes::LEADS_BACK, it.span, message, label).help(help);
            self.report(found);
        }
    }

    /// The settings that requests of a route may have: without any `tune`, and with each that says
    /// something of recovery.
    pub fn settings_of(&self, index: usize) -> Vec<Arc<Settings>> {
        let route = &self.program.routes[index];
        let mut all = vec![route.settings.clone()];
        for tune in &self.program.tunes {
            let settings = &tune.settings;
            if settings.fallback.is_some() || settings.cap.is_some() || !settings.only.is_empty() {
                all.push(Arc::new(self.program.settings([settings].into_iter(), Some(route))));
            }
        }
        all
    }

    fn look(&self, target: Target, settings: &Arc<Settings>, uses: &mut BTreeMap<(u32, u32), Use>) {
        let program = self.program;
        let mut note = |span: Span, what: &'static str, useless: bool| {
            let known = uses.entry((span.start, span.end));
            let known = known.or_insert(Use { span, useless: true, what });
            known.useless &= useless;
        };
        let ways = ways(program, target);
        // Whom a way asks in any case: nobody whose place depends on live figures.
        let sure = |leaf: &Leaf| -> Vec<ModelIdx> {
            let own = leaf.settings(settings);
            let members = leaf.models.iter().filter(|(_, always)| *always);
            members.map(|(model, _)| *model).filter(|model| leaf.keeps(&own, *model)).collect()
        };
        let asked: Vec<Vec<ModelIdx>> =
            ways.iter().map(|way| way.iter().flat_map(&sure).collect()).collect();
        let others = |to: Target, span: Span| -> Vec<ModelIdx> {
            let found = leaves(program, to, Role::Fallback(span));
            let kept = found.iter().flat_map(|leaf| {
                let own = leaf.settings(settings);
                leaf.models.iter().map(|it| it.0).filter(move |model| leaf.keeps(&own, *model))
            });
            kept.collect()
        };
        if let Some(fallback) = &settings.fallback {
            let span = fallback.at.0;
            let to: Vec<ModelIdx> = fallback.to.iter().flat_map(|to| others(*to, span)).collect();
            let useless = asked.iter().all(|asked| to.iter().all(|it| asked.contains(it)));
            note(span, "fallback", useless);
        }
        if let Some(cap) = &settings.cap
            && let CapBreach::Degrade(to) = cap.breach
        {
            let to_models = others(to, cap.at.0);
            let steps_differ = ways.iter().flatten().any(|leaf| leaf.body.is_some())
                || leaves(program, to, Role::Main).iter().any(|leaf| leaf.body.is_some());
            let useless = to == target
                || (!steps_differ
                    && asked.iter().all(|asked| to_models.iter().all(|it| asked.contains(it))));
            note(cap.at.0, "degrade", useless);
        }
    }

    fn repeated_steps(&mut self) {
        let mut found = Vec::new();
        for ladder in &self.program.ladders {
            if self.in_library(ladder.span) {
                continue;
            }
            for (index, step) in ladder.steps.iter().enumerate() {
                let mut before = ladder.steps[..index].iter();
                let same = before.find(|it| it.target == step.target && it.body == step.body);
                if let Some(first) = same {
                    let message = format!(
                        "step `{}` of ladder `{}` asks the same models as step `{}`",
                        step.name, ladder.name, first.name
                    );
                    found.push(
                        Diagnostic::warning(
                            codes::LEADS_BACK,
                            step.span,
                            message,
                            "the same again",
                        )
                        .also(first.span, "asked here already")
                        .help("send it to other models, or give it other settings"),
                    );
                }
            }
        }
        self.found.extend(found);
    }
}
