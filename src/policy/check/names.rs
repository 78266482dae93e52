//! Which names a policy declares, and finding them again.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Checker;
use crate::policy::codes;
use crate::policy::cond::Declared;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::program::Target;
use crate::policy::schedule::Schedule;
use crate::policy::schema::{Attr, Members, Type};
use crate::policy::syntax::MAX_FINDINGS;
use crate::policy::syntax::tree::{Cond, Item, LetBody, Name, Span, TargetKind, Value};

/// Everything that has a name in one file. Targets share one name space, so do the names behind
/// `in`. Names that were imported or inherited stand among the file's own, with their prefix.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub targets: HashMap<String, Target>,
    /// A condition is read in the file it was written in.
    pub conditions: HashMap<String, KnownCond<'a>>,
    pub lists: HashMap<String, &'a [Value]>,
    pub schedules: HashMap<String, Arc<Schedule>>,
    pub enums: HashMap<String, Members>,
    pub attributes: HashMap<String, (Arc<Declared>, Type)>,
    pub budgets: HashSet<String>,
    /// The prefixes of files that could not be read; an unknown name behind one is no error of its
    /// own.
    pub unread: HashSet<String>,
    /// A file without a prefix could not be read, so any unknown name may come from it.
    pub unread_open: bool,
    /// Names of statements that could not be read.
    pub broken: HashSet<String>,
}

/// What a `let` stands for.
#[derive(Clone, Copy)]
pub(super) struct KnownCond<'a> {
    pub body: &'a Cond,
    /// The file it was written in.
    pub unit: usize,
    /// Its name there.
    pub own: &'a str,
}

/// Names of the policy as a whole.
#[derive(Default)]
pub(super) struct Shared<'a> {
    /// Routes and `default`, as traces call them.
    pub routes: HashSet<String>,
    /// `deny` and `require`, as traces call them.
    pub rules: HashSet<String>,
    /// What each target is called, with its prefix.
    pub target_names: HashMap<Target, Arc<str>>,
    /// Attributes that were declared in any of the files, and where.
    pub attributes: HashMap<String, (Arc<Declared>, Type, Span)>,
    /// Enums that were declared, by file.
    pub enums: HashSet<(usize, &'a str)>,
    /// `let`s that are being expanded, to find circles.
    pub expanding: Vec<(usize, &'a str)>,
    /// How deep in a condition the checker is, `let`s included.
    pub depth: usize,
    /// The tests and listed texts of all conditions so far.
    pub weight: usize,
    /// They are too many, which was reported.
    pub overweight: bool,
    /// `let`s that some condition has used.
    pub used: HashSet<(usize, String)>,
    /// Lists that some condition has used, by where they lie.
    pub used_lists: HashSet<*const Value>,
    /// Circles that were reported, as the names on the way in alphabetical order.
    pub circles: HashSet<Vec<(usize, &'a str)>>,
    pools: usize,
    ladders: usize,
    splits: usize,
}

impl<'a> Names<'a> {
    /// Takes over the names of another file behind a prefix. What is there already stays; the names
    /// of targets and conditions that are there as something else are returned.
    fn take(&mut self, other: &Names<'a>, prefix: &str) -> Vec<String> {
        fn copy<T: Clone>(
            into: &mut HashMap<String, T>,
            from: &HashMap<String, T>,
            prefix: &str,
            same: impl Fn(&T, &T) -> bool,
            clashes: &mut Vec<String>,
        ) {
            for (name, value) in from {
                match into.entry(format!("{prefix}{name}")) {
                    Entry::Vacant(free) => _ = free.insert(value.clone()),
                    Entry::Occupied(taken) if same(taken.get(), value) => {}
                    Entry::Occupied(taken) => clashes.push(taken.key().clone()),
                }
            }
        }
        let mut clashes = Vec::new();
        copy(&mut self.targets, &other.targets, prefix, |a, b| a == b, &mut clashes);
        let same = |a: &KnownCond<'_>, b: &KnownCond<'_>| a.body == b.body && a.unit == b.unit;
        copy(&mut self.conditions, &other.conditions, prefix, same, &mut clashes);
        copy(&mut self.lists, &other.lists, prefix, |a, b| a == b, &mut clashes);
        copy(&mut self.schedules, &other.schedules, prefix, |a, b| a == b, &mut clashes);
        copy(&mut self.enums, &other.enums, prefix, |a, b| a == b, &mut clashes);
        // Attributes belong to the request, whichever file gives them their type.
        copy(&mut self.attributes, &other.attributes, "", |a, b| a == b, &mut clashes);
        let behind = |name: &String| format!("{prefix}{name}");
        self.budgets.extend(other.budgets.iter().map(behind));
        self.unread.extend(other.unread.iter().map(behind));
        self.broken.extend(other.broken.iter().map(behind));
        match (other.unread_open, prefix.trim_end_matches('.')) {
            (true, "") => self.unread_open = true,
            (true, prefix) => _ = self.unread.insert(prefix.to_owned()),
            (false, _) => {}
        }
        clashes
    }
}

impl<'a> Checker<'a> {
    /// The names of one file: its own, those it imports, and those of the file that delegates to it.
    /// The files they come from must have been through here before.
    pub(super) fn collect_names(&mut self, unit: usize, parent: Option<usize>) {
        let tree = &self.units[unit].tree;
        let prefix = &self.units[unit].prefix;
        self.names.broken = self.units[unit].broken.iter().cloned().collect();
        let mut seen: HashMap<(&'static str, &'a str), Span> = HashMap::new();
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
                Item::Test { name, .. } => ("test", name),
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
            let (names, shared) = (&mut self.names, &mut self.shared);
            let word: &'a str = &name.node;
            let full = format!("{prefix}{word}");
            let mut declare = |target: Target| {
                names.targets.entry(word.to_owned()).or_insert(target);
                shared.target_names.insert(target, full.as_str().into());
            };
            match &line.node {
                Item::Pool { .. } => {
                    declare(Target::Pool(shared.pools));
                    shared.pools += 1;
                }
                Item::Ladder { .. } => {
                    declare(Target::Ladder(shared.ladders));
                    shared.ladders += 1;
                }
                Item::Split { .. } | Item::Experiment { .. } => {
                    declare(Target::Split(shared.splits));
                    shared.splits += 1;
                }
                Item::Let { body: LetBody::Cond(cond), .. } => {
                    let known = KnownCond { body: cond, unit, own: word };
                    names.conditions.entry(word.to_owned()).or_insert(known);
                }
                Item::Let { body: LetBody::List(list), .. } => {
                    names.lists.entry(word.to_owned()).or_insert(&list.node);
                }
                Item::Budget { .. } => {
                    names.budgets.insert(word.to_owned());
                    shared.rules.insert(full);
                }
                Item::Route { .. } => _ = shared.routes.insert(full),
                Item::Deny { .. } | Item::Require { .. } | Item::Limit { .. } => {
                    shared.rules.insert(full);
                }
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
        if tree.items.iter().any(|line| matches!(line.node, Item::Default { .. })) {
            self.shared.routes.insert(format!("{prefix}default"));
        }
        self.import_names(unit);
        if let Some(parent) = parent {
            // What the file says itself comes first, so a clash is none.
            self.names.take(&self.scopes[parent], "");
        }
    }

    fn import_names(&mut self, unit: usize) {
        for line in &self.units[unit].tree.items {
            let Item::Import { path, alias } = &line.node else { continue };
            let alias = alias.as_ref().map_or("", |alias| alias.node.as_str());
            let Some(library) = self.units[unit].links.get(&path.span) else {
                match alias {
                    "" => self.names.unread_open = true,
                    alias => _ = self.names.unread.insert(alias.to_owned()),
                }
                continue;
            };
            let prefix = if alias.is_empty() { String::new() } else { format!("{alias}.") };
            for clash in self.names.take(&self.scopes[*library], &prefix) {
                self.report(
                    Diagnostic::error(
                        codes::DUPLICATE_NAME,
                        path.span,
                        format!("this file brings `{clash}`, and the name is taken"),
                        "imported here",
                    )
                    .help(match alias {
                        "" => "give its names a prefix: `import \"…\" as NAME`",
                        _ => "give the file another prefix",
                    }),
                );
            }
        }
    }

    /// The target a name or model id stands for. `None` where that was reported.
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
                if self.is_lost(name) {
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
                        .help("declare a pool: `pool NAME = [provider/model]`"),
                    );
                    return None;
                }
                let known = self.names.targets.keys().map(String::as_str).chain(["requested"]);
                let near = self.near(name, known.collect::<Vec<_>>());
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
                                diagnostic = diagnostic.fix(
                                    format!("use the model `{id}`"),
                                    target.span,
                                    *id,
                                );
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

    /// Whether the name may be one of a file or a statement that could not be read (and was reported
    /// as such).
    pub(super) fn is_lost(&self, name: &str) -> bool {
        let names = &self.names;
        let prefixes = name.match_indices('.').map(|(dot, _)| &name[..dot]);
        names.unread_open
            || names.broken.contains(name)
            || prefixes.into_iter().any(|prefix| names.unread.contains(prefix))
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
        if self.diagnostics.len() >= MAX_FINDINGS {
            return None;
        }
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
            () if self.shared.routes.contains(name) => "a route",
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
