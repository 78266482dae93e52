//! Which names a policy declares, and finding them again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Checker;
use crate::policy::codes;
use crate::policy::cond::Declared;
use crate::policy::diagnostic::{Diagnostic, did_you_mean};
use crate::policy::program::Target;
use crate::policy::schedule::Schedule;
use crate::policy::schema::{Attr, Members, Type};
use crate::policy::syntax::tree::{Cond, File, Item, LetBody, Name, Span, TargetKind, Value};

/// Everything that has a name. Targets share one name space, so do the names behind `in`.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub targets: HashMap<&'a str, Target>,
    /// Experiments and imported names: targets that a later version carries out.
    pub later_targets: HashSet<&'a str>,
    pub conditions: HashMap<&'a str, &'a Cond>,
    pub lists: HashMap<&'a str, &'a [Value]>,
    pub schedules: HashMap<&'a str, Arc<Schedule>>,
    pub enums: HashMap<&'a str, Members>,
    pub attributes: HashMap<String, (Arc<Declared>, Type)>,
    pub budgets: HashSet<&'a str>,
    pub routes: HashSet<&'a str>,
    pub rules: HashSet<&'a str>,
    /// The prefixes of imports; an unknown name behind one is not an error of its own.
    pub imports: HashSet<&'a str>,
    /// There is an import without a prefix, so any unknown name may come from it.
    pub open_import: bool,
    /// Names of statements that could not be read.
    pub broken: HashSet<String>,
    /// `let`s that are being expanded, to find circles.
    pub expanding: Vec<&'a str>,
    /// `let`s that some condition has used.
    pub used: HashSet<&'a str>,
    /// Circles that were reported, as the names on the way in alphabetical order.
    pub circles: HashSet<Vec<&'a str>>,
}

impl<'a> Checker<'a> {
    pub(super) fn collect_names(&mut self, tree: &'a File) {
        let mut seen: HashMap<(&'static str, &'a str), Span> = HashMap::new();
        let (mut pools, mut ladders, mut splits) = (0, 0, 0);
        for line in &tree.items {
            let (space, name): (&'static str, &'a Name) = match &line.node {
                Item::Pool { name, .. }
                | Item::Ladder { name, .. }
                | Item::Split { name, .. }
                | Item::Experiment { name, .. } => ("target", name),
                Item::Let { name, .. } | Item::Enum { name, .. } => ("name", name),
                Item::Schedule(schedule) => ("name", &schedule.name),
                Item::Route { name, .. } | Item::Delegate { name, .. } => ("route", name),
                Item::Deny { name, .. } | Item::Require { name, .. } => ("rule", name),
                Item::Tune { name, .. } => ("tune", name),
                Item::Budget { name, .. } | Item::Limit { name, .. } => ("budget", name),
                Item::Invariant { name, .. } => ("invariant", name),
                Item::Import { alias, .. } => {
                    match alias {
                        Some(alias) => _ = self.names.imports.insert(&alias.node),
                        None => self.names.open_import = true,
                    }
                    continue;
                }
                _ => continue,
            };
            if let Some(first) = seen.insert((space, &name.node), name.span) {
                self.report(
                    Diagnostic::error(
                        codes::DUPLICATE_NAME,
                        name.span,
                        format!("the name `{}` is taken", name.node),
                        "declared again here",
                    )
                    .also(first, "first declared here")
                    .help("give one of them another name"),
                );
                // The first stays what the name means; counters must still follow the items.
            }
            let names = &mut self.names;
            let word: &'a str = &name.node;
            match &line.node {
                Item::Pool { .. } => {
                    names.targets.entry(word).or_insert(Target::Pool(pools));
                    pools += 1;
                }
                Item::Ladder { .. } => {
                    names.targets.entry(word).or_insert(Target::Ladder(ladders));
                    ladders += 1;
                }
                Item::Split { .. } => {
                    names.targets.entry(word).or_insert(Target::Split(splits));
                    splits += 1;
                }
                Item::Experiment { .. } => _ = names.later_targets.insert(word),
                Item::Let { body: LetBody::Cond(cond), .. } => {
                    names.conditions.entry(word).or_insert(cond);
                }
                Item::Let { body: LetBody::List(list), .. } => {
                    names.lists.entry(word).or_insert(&list.node);
                }
                Item::Budget { .. } => _ = names.budgets.insert(word),
                Item::Route { .. } | Item::Delegate { .. } => _ = names.routes.insert(word),
                Item::Deny { .. } | Item::Require { .. } => _ = names.rules.insert(word),
                _ => {}
            }
            if matches!(line.node, Item::Let { .. }) && Attr::named(word).is_some() {
                self.report(
                    Diagnostic::error(
                        codes::DUPLICATE_NAME,
                        name.span,
                        format!("`{word}` is already an attribute"),
                        "a `let` cannot hide it",
                    )
                    .help("give it another name"),
                );
            }
        }
    }

    /// The target a name or model id stands for. `None` where it was reported, or where a later
    /// version will know it.
    pub(super) fn target(
        &mut self,
        target: &crate::policy::syntax::tree::Target,
    ) -> Option<Target> {
        match &target.kind {
            TargetKind::Model(id) => self.model(id, target.span).map(Target::Model),
            TargetKind::Name(name) if name == "requested" => Some(Target::Requested),
            TargetKind::Name(name) => {
                if let Some(found) = self.names.targets.get(name.as_str()) {
                    return Some(*found);
                }
                if self.comes_later(name) {
                    return None;
                }
                if let Some(what) = self.other_kind(name) {
                    self.report(
                        Diagnostic::error(
                            codes::UNKNOWN_TARGET,
                            target.span,
                            format!("`{name}` is {what}, and nothing can be sent to it"),
                            "not a pool, a ladder, a split or a model",
                        )
                        .help(format!("declare a pool: `pool NAME = [provider/model]`")),
                    );
                    return None;
                }
                let known = self.names.targets.keys().copied().chain(["requested"]);
                let near = did_you_mean(name, known.collect::<Vec<_>>());
                let mut diagnostic = Diagnostic::error(
                    codes::UNKNOWN_TARGET,
                    target.span,
                    format!("nothing is called `{name}`"),
                    "not a pool, a ladder, a split or a model",
                );
                diagnostic = match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                        format!("use `{near}`"),
                        target.span,
                        near,
                    ),
                    None => match self.models_named(name).as_slice() {
                        [] => {
                            diagnostic.help(format!("declare it: `pool {name} = [provider/model]`"))
                        }
                        ids => {
                            diagnostic = diagnostic.help(format!(
                                "a model is named with its provider; or declare it: `pool {name} = \
                                 [provider/model]`"
                            ));
                            for id in ids {
                                diagnostic =
                                    diagnostic.fix(format!("use the model `{id}`"), target.span, *id);
                            }
                            diagnostic
                        }
                    },
                };
                self.report(diagnostic);
                None
            }
        }
    }

    /// Whether the name is one that only a later version carries out (and was reported as such).
    pub(super) fn comes_later(&self, name: &str) -> bool {
        let prefix = name.split('.').next().unwrap_or(name);
        self.names.open_import
            || self.names.broken.contains(name)
            || self.names.later_targets.contains(name)
            || (name.contains('.') && self.names.imports.contains(prefix))
    }

    /// The model with this id, or a message with near ones.
    pub(super) fn model(&mut self, id: &str, span: Span) -> Option<crate::catalog::ModelIdx> {
        if let Some(found) = self.catalog().get(&crate::ids::ModelId::new(id)) {
            return Some(found);
        }
        let mut diagnostic = Diagnostic::error(
            codes::UNKNOWN_MODEL,
            span,
            format!("the catalogue has no model `{id}`"),
            "unknown model",
        );
        let bare = id.split_once('/').map_or(id, |(_, bare)| bare);
        let elsewhere = self.models_named(bare);
        let near: Vec<&str> = if elsewhere.is_empty() {
            self.near_model(id, bare).into_iter().collect()
        } else {
            diagnostic = diagnostic.help("others offer a model of this name");
            elsewhere
        };
        for near in near {
            diagnostic = diagnostic.fix(format!("did you mean `{near}`?"), span, near);
        }
        self.report(
            diagnostic.note(
                "`pointsman models` lists them; your own go under `models:` in pointsman.yaml",
            ),
        );
        None
    }

    /// The model whose id is a slip of the pen away. Versions are short, and one figure makes
    /// another model of it, so that less is forgiven than in other names.
    fn near_model(&self, id: &str, bare: &str) -> Option<&'a str> {
        let limit = (bare.len() / 5).max(1);
        let ids = self.catalog().models().iter().map(|model| model.id.as_str());
        ids.map(|known| (strsim::osa_distance(id, known), known))
            .filter(|(distance, _)| *distance <= limit)
            .min()
            .map(|(_, known)| known)
    }

    /// What a name stands for that is no target.
    fn other_kind(&self, name: &str) -> Option<&'static str> {
        let names = &self.names;
        Some(match () {
            () if names.enums.contains_key(name) => "an enum",
            () if names.schedules.contains_key(name) => "a schedule",
            () if names.conditions.contains_key(name) => "a condition",
            () if names.lists.contains_key(name) => "a list of values",
            () if names.routes.contains(name) => "a route",
            () => return None,
        })
    }

    /// The ids of models with this name at any provider, at most three.
    fn models_named(&self, name: &str) -> Vec<&'a str> {
        let models = self.catalog().models().iter();
        models
            .filter(|model| model.id.model() == name)
            .map(|model| model.id.as_str())
            .take(3)
            .collect()
    }
}
