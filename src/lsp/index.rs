//! What every name in a policy means: each declaration, each use, and whatever else can be pointed
//! at, found in one walk over the trees of all its files.

mod walk;

use std::collections::HashMap;

use crate::policy::load::{Loaded, Role, Unit, joined};
use crate::policy::sources::Sources;
use crate::policy::syntax::tree::{
    AttrPath, Block, ExperimentLine, Item, LetBody, Line, Literal, Name, Rung, Span, Trivia,
    TypeExpr,
};

/// The kind of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the statement of that name")]
pub enum Kind {
    Pool,
    Ladder,
    Split,
    Experiment,
    Condition,
    List,
    Enum,
    Member,
    Schedule,
    Attribute,
    Route,
    Delegate,
    Deny,
    Require,
    Tune,
    Budget,
    Limit,
    Invariant,
    Test,
    Step,
    Arm,
    Prefix,
}

/// Names of different spaces do not clash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Pools, ladders, splits, experiments.
    Target,
    /// `let`, `enum`, `schedule`.
    Name,
    /// Routes and delegates.
    Route,
    /// `deny` and `require`.
    Rule,
    /// `tune`
    Tune,
    /// Budgets and limits.
    Budget,
    /// `invariant`
    Invariant,
    /// `test`
    Test,
    /// Attributes that a policy declares.
    Attribute,
    /// The prefixes of imports.
    Prefix,
    /// Members of an enum, steps of a ladder, arms of a split: names inside of another declaration.
    Inside(usize),
}

impl Kind {
    /// What it is called before people.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Pool => "pool",
            Kind::Ladder => "ladder",
            Kind::Split => "split",
            Kind::Experiment => "experiment",
            Kind::Condition => "condition",
            Kind::List => "list",
            Kind::Enum => "enum",
            Kind::Member => "member",
            Kind::Schedule => "schedule",
            Kind::Attribute => "attribute",
            Kind::Route => "route",
            Kind::Delegate => "delegate",
            Kind::Deny => "deny",
            Kind::Require => "require",
            Kind::Tune => "tune",
            Kind::Budget => "budget",
            Kind::Limit => "limit",
            Kind::Invariant => "invariant",
            Kind::Test => "test",
            Kind::Step => "step",
            Kind::Arm => "arm",
            Kind::Prefix => "prefix",
        }
    }
}

/// A name that a policy gives to something.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// What it names.
    pub kind: Kind,
    /// With which others it must not clash.
    pub space: Space,
    /// The name.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// The whole statement or line.
    pub whole: Span,
    /// The file, as a position in [`Loaded::units`].
    pub unit: usize,
    /// Its `##` comments, without the signs; empty if it has none.
    pub doc: String,
}

/// Something that can be pointed at.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The name in a declaration.
    Declared(usize),
    /// A use of a declared name.
    Used(usize),
    /// An attribute of the schema, as the table calls it.
    Attribute(String),
    /// A model.
    Model(String),
    /// A constant, and the word for what it counts where it does not say so itself.
    Literal(Literal, Option<&'static str>),
    /// Two constants, the first included and the second not; and what they count.
    Range(Literal, Literal, Option<&'static str>),
    /// The path of a file that the policy names, from the policy's folder.
    File(String),
}

/// A thing and its place.
#[derive(Debug, Clone)]
pub struct Spot {
    /// Where.
    pub span: Span,
    /// What.
    pub what: What,
}

/// All there is to know about the names of a policy.
#[derive(Debug, Default)]
pub struct Index {
    /// Every declaration, file by file.
    pub declarations: Vec<Declaration>,
    /// Everything that can be pointed at, in the order of the texts.
    pub spots: Vec<Spot>,
    by_name: HashMap<(usize, Space, String), usize>,
    /// Declared attributes by their spelling, whichever file declares them.
    attributes: HashMap<String, usize>,
    /// The enums of declared attributes by name; `None` for those with members of their own.
    types: HashMap<usize, Option<String>>,
    imports: Vec<Vec<Import>>,
    parents: Vec<Option<usize>>,
    /// The files that `delegate`s hand requests to.
    delegated: HashMap<usize, usize>,
}

/// A file whose names another takes.
#[derive(Debug)]
struct Import {
    unit: usize,
    prefix: Option<(String, usize)>,
}

/// Names lead from file to file only this far; policies are made of at most 64 files.
const DEEPEST: usize = 64;

impl Index {
    /// Of a policy and all its files.
    pub fn of(loaded: &Loaded) -> Index {
        let mut index = Index::default();
        for (unit, part) in loaded.units.iter().enumerate() {
            index.declare_all(unit, part);
        }
        index.link(&loaded.units);
        let mut spots = walk::walk(&index, loaded);
        for (number, declaration) in index.declarations.iter().enumerate() {
            spots.push(Spot { span: declaration.span, what: What::Declared(number) });
        }
        spots.sort_by_key(|spot| (spot.span.start, std::cmp::Reverse(spot.span.end)));
        index.spots = spots;
        index
    }

    /// What stands at a byte: the innermost thing there. A cursor behind a word points at the word.
    pub fn at(&self, byte: u32) -> Option<&Spot> {
        let touching = self.spots.iter().filter(|it| it.span.start <= byte && byte <= it.span.end);
        touching.min_by_key(|it| (it.span.end == byte, it.span.end - it.span.start))
    }

    /// The places of a name: of its declaration, if that is wanted, and of every use.
    pub fn places(&self, declaration: usize, itself: bool) -> Vec<Span> {
        let wanted = |what: &What| match what {
            What::Used(number) => *number == declaration,
            What::Declared(number) => itself && *number == declaration,
            _ => false,
        };
        self.spots.iter().filter(|spot| wanted(&spot.what)).map(|spot| spot.span).collect()
    }

    /// The declaration a name leads to in a file, with those its prefixes lead to, outermost first.
    pub fn resolve(&self, unit: usize, space: Space, name: &str) -> Option<Vec<usize>> {
        self.resolve_within(unit, space, name, DEEPEST)
    }

    fn resolve_within(
        &self,
        unit: usize,
        space: Space,
        name: &str,
        left: usize,
    ) -> Option<Vec<usize>> {
        let left = left.checked_sub(1)?;
        if let Some(found) = self.by_name.get(&(unit, space, name.to_owned())) {
            return Some(vec![*found]);
        }
        for import in self.imports.get(unit)? {
            let inside = match &import.prefix {
                None => name,
                Some((prefix, _)) => {
                    match name.strip_prefix(prefix.as_str()).and_then(|it| it.strip_prefix('.')) {
                        Some(inside) => inside,
                        None => continue,
                    }
                }
            };
            if let Some(found) = self.resolve_within(import.unit, space, inside, left) {
                let prefix = import.prefix.iter().map(|(_, declaration)| *declaration);
                return Some(prefix.chain(found).collect());
            }
        }
        let parent = self.parents.get(unit).copied().flatten()?;
        self.resolve_within(parent, space, name, left)
    }

    /// All names of a space that a file can use, as they are written there.
    pub fn visible(&self, unit: usize, space: Space) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        self.collect(unit, space, "", DEEPEST, &mut found);
        found.sort();
        found.dedup_by(|a, b| a.0 == b.0);
        found
    }

    fn collect(
        &self,
        unit: usize,
        space: Space,
        prefix: &str,
        left: usize,
        found: &mut Vec<(String, usize)>,
    ) {
        let Some(left) = left.checked_sub(1) else { return };
        for (number, declaration) in self.declarations.iter().enumerate() {
            if declaration.unit == unit && declaration.space == space {
                found.push((format!("{prefix}{}", declaration.name), number));
            }
        }
        for import in self.imports.get(unit).into_iter().flatten() {
            let prefix = match &import.prefix {
                Some((word, _)) => format!("{prefix}{word}."),
                None => prefix.to_owned(),
            };
            self.collect(import.unit, space, &prefix, left, found);
        }
        if let Some(parent) = self.parents.get(unit).copied().flatten() {
            self.collect(parent, space, prefix, left, found);
        }
    }

    /// The names inside of another declaration, in order.
    pub fn inside(&self, declaration: usize) -> impl Iterator<Item = (usize, &Declaration)> {
        let space = Space::Inside(declaration);
        self.declarations.iter().enumerate().filter(move |(_, it)| it.space == space)
    }

    /// The name inside of another declaration.
    pub fn one_inside(&self, declaration: usize, name: &str) -> Option<usize> {
        let unit = self.declarations.get(declaration)?.unit;
        self.by_name.get(&(unit, Space::Inside(declaration), name.to_owned())).copied()
    }

    fn declare(&mut self, declaration: Declaration) -> usize {
        let number = self.declarations.len();
        let key = (declaration.unit, declaration.space, declaration.name.clone());
        // The first stays what the name means, as for the checker.
        self.by_name.entry(key).or_insert(number);
        if declaration.kind == Kind::Attribute {
            self.attributes.entry(declaration.name.clone()).or_insert(number);
        }
        self.declarations.push(declaration);
        number
    }

    fn declare_all(&mut self, unit: usize, part: &Unit) {
        use Kind as K;
        use Space as S;
        for line in &part.tree.items {
            let (kind, space, name, span) = match &line.node {
                Item::Pool { name, .. } => (K::Pool, S::Target, name.node.clone(), name.span),
                Item::Ladder { name, .. } => (K::Ladder, S::Target, name.node.clone(), name.span),
                Item::Split { name, .. } => (K::Split, S::Target, name.node.clone(), name.span),
                Item::Experiment { name, .. } => {
                    (K::Experiment, S::Target, name.node.clone(), name.span)
                }
                Item::Let { name, body: LetBody::Cond(_) } => {
                    (K::Condition, S::Name, name.node.clone(), name.span)
                }
                Item::Let { name, body: LetBody::List(_) } => {
                    (K::List, S::Name, name.node.clone(), name.span)
                }
                Item::Enum { name, .. } => (K::Enum, S::Name, name.node.clone(), name.span),
                Item::Schedule(it) => (K::Schedule, S::Name, it.name.node.clone(), it.name.span),
                Item::Attribute { attr, .. } => {
                    (K::Attribute, S::Attribute, attr.to_string(), attr.span)
                }
                Item::Route { name, .. } => (K::Route, S::Route, name.node.clone(), name.span),
                Item::Delegate { name, .. } => {
                    (K::Delegate, S::Route, name.node.clone(), name.span)
                }
                Item::Deny { name, .. } => (K::Deny, S::Rule, name.node.clone(), name.span),
                Item::Require { name, .. } => (K::Require, S::Rule, name.node.clone(), name.span),
                Item::Tune { name, .. } => (K::Tune, S::Tune, name.node.clone(), name.span),
                Item::Budget { name, .. } => (K::Budget, S::Budget, name.node.clone(), name.span),
                Item::Limit { name, .. } => (K::Limit, S::Budget, name.node.clone(), name.span),
                Item::Invariant { name, .. } => {
                    (K::Invariant, S::Invariant, name.node.clone(), name.span)
                }
                Item::Test { name, .. } => (K::Test, S::Test, name.node.clone(), name.span),
                Item::Import { alias: Some(name), .. } => {
                    (K::Prefix, S::Prefix, name.node.clone(), name.span)
                }
                _ => continue,
            };
            let doc = documentation(&line.trivia);
            let whole = line.span;
            let owner = self.declare(Declaration { kind, space, name, span, whole, unit, doc });
            if let Item::Attribute { ty, .. } = &line.node {
                match &ty.node {
                    TypeExpr::Named(name) => _ = self.types.insert(owner, Some(name.clone())),
                    TypeExpr::Enum(_) => _ = self.types.insert(owner, None),
                    TypeExpr::Scalar { .. } => {}
                }
            }
            self.declare_inside(owner, unit, line);
        }
    }

    fn declare_inside(&mut self, owner: usize, unit: usize, line: &Line<Item>) {
        let mut inside = |kind: Kind, name: &Name, whole: Span, trivia: Option<&Trivia>| {
            self.declare(Declaration {
                kind,
                space: Space::Inside(owner),
                name: name.node.clone(),
                span: name.span,
                whole,
                unit,
                doc: trivia.map_or_else(String::new, documentation),
            });
        };
        match &line.node {
            Item::Enum { members, .. } => {
                members.iter().for_each(|it| inside(Kind::Member, it, it.span, None));
            }
            Item::Attribute { ty, .. } => {
                if let TypeExpr::Enum(members) = &ty.node {
                    members.iter().for_each(|it| inside(Kind::Member, it, it.span, None));
                }
            }
            Item::Ladder { rungs, .. } => each(rungs, |rung, line| {
                if let Rung::Step { name, .. } = rung {
                    inside(Kind::Step, name, line.span, Some(&line.trivia));
                }
            }),
            Item::Split { arms, .. } => each(arms, |arm, line| {
                if let Some(name) = &arm.name {
                    inside(Kind::Arm, name, line.span, Some(&line.trivia));
                }
            }),
            Item::Experiment { lines, .. } => each(lines, |node, line| {
                if let ExperimentLine::Arm(arm) = node
                    && let Some(name) = &arm.name
                {
                    inside(Kind::Arm, name, line.span, Some(&line.trivia));
                }
            }),
            _ => {}
        }
    }

    fn link(&mut self, units: &[Unit]) {
        self.imports = units.iter().map(|_| Vec::new()).collect();
        self.parents = vec![None; units.len()];
        for (number, unit) in units.iter().enumerate() {
            for line in &unit.tree.items {
                match &line.node {
                    Item::Import { path, alias } => {
                        let Some(library) = unit.links.get(&path.span) else { continue };
                        let prefix = alias.as_ref().and_then(|alias| {
                            let key = (number, Space::Prefix, alias.node.clone());
                            Some((alias.node.clone(), *self.by_name.get(&key)?))
                        });
                        self.imports[number].push(Import { unit: *library, prefix });
                    }
                    Item::Delegate { name, to, .. } => {
                        let Some(part) = unit.links.get(&to.span) else { continue };
                        if units[*part].role == Role::Delegated {
                            self.parents[*part] = Some(number);
                        }
                        let key = (number, Space::Route, name.node.clone());
                        if let Some(delegate) = self.by_name.get(&key) {
                            self.delegated.insert(*delegate, *part);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

fn each<T>(block: &Block<T>, mut with: impl FnMut(&T, &Line<T>)) {
    block.lines.iter().for_each(|line| with(&line.node, line));
}

/// The `##` comments right above a statement, without their signs.
pub fn documentation(trivia: &Trivia) -> String {
    let above = trivia.before.iter().rev().take_while(|line| line.starts_with("##"));
    let mut lines: Vec<&str> = above.map(|line| line.trim_start_matches('#').trim()).collect();
    lines.reverse();
    lines.join("\n")
}

/// A path that stands in a file, from the folder of the policy.
fn from_policy(unit: &Unit, path: &str) -> String {
    joined(&unit.folder, path)
}

/// An attribute's name as the schema has it, `[]` for an index.
pub fn schema_name(path: &AttrPath) -> String {
    use crate::policy::syntax::tree::AttrPart;
    let mut name = String::new();
    for (position, part) in path.parts.iter().enumerate() {
        match part {
            AttrPart::Word(word) if position == 0 => name += word,
            AttrPart::Word(word) => name = format!("{name}.{word}"),
            AttrPart::Index(_) => name += "[]",
        }
    }
    name
}

/// Where the words of a dotted name stand; nothing where the text does not have them as they are.
fn segments(sources: &Sources, span: Span, name: &str) -> Vec<Span> {
    if sources.slice(span) != name {
        return Vec::new();
    }
    let mut start = span.start;
    let place = |word: &str| {
        let span = Span { start, end: start + word.len() as u32 };
        start = span.end + 1;
        span
    };
    name.split('.').map(place).collect()
}

#[cfg(test)]
mod tests;
