//! One walk over all trees of a policy that notes what stands where.

use super::{Index, Space, Spot, What, from_policy, schema_name, segments};
use crate::policy::load::{Loaded, Unit};
use crate::policy::schema::{self, Attr};
use crate::policy::sources::Sources;
use crate::policy::syntax::tree::*;

/// Every spot but the declarations themselves, in no order.
pub fn walk(index: &Index, loaded: &Loaded) -> Vec<Spot> {
    let mut spots = Vec::new();
    for (number, unit) in loaded.units.iter().enumerate() {
        let sources = &loaded.sources;
        let mut walk =
            Walk { index, units: &loaded.units, sources, number, unit, inner: None, spots };
        unit.tree.items.iter().for_each(|line| walk.item(&line.node));
        spots = walk.spots;
    }
    spots
}

struct Walk<'a> {
    index: &'a Index,
    units: &'a [Unit],
    sources: &'a Sources,
    /// The file that is walked.
    number: usize,
    unit: &'a Unit,
    /// The experiment whose lines are walked: its arms are names there.
    inner: Option<usize>,
    spots: Vec<Spot>,
}

/// What the values of an attribute are.
#[derive(Clone, Copy, Default)]
struct Values {
    /// The declaration whose members they are.
    members: Option<usize>,
    /// What they count.
    unit: Option<&'static str>,
}

const TOKENS: Option<&str> = Some("tokens");

impl Walk<'_> {
    fn spot(&mut self, span: Span, what: What) {
        self.spots.push(Spot { span, what });
    }

    /// Notes a use: each word of a dotted name leads to a declaration of its own.
    fn used(&mut self, span: Span, name: &str, found: Option<Vec<usize>>) -> bool {
        let Some(found) = found else { return false };
        let places = segments(self.sources, span, name);
        if places.len() < found.len() {
            // Written otherwise than it reads: the whole is one place.
            if let Some(last) = found.last() {
                self.spot(span, What::Used(*last));
            }
            return true;
        }
        // A name with dots of its own, as an attribute has, is one place.
        let firsts = found.len() - 1;
        for (place, declaration) in places.iter().zip(&found).take(firsts) {
            self.spot(*place, What::Used(*declaration));
        }
        if let (Some(place), Some(last)) = (places.get(firsts), found.last()) {
            self.spot(place.to(span), What::Used(*last));
        }
        true
    }

    fn name(&mut self, space: Space, name: &Name) -> bool {
        let found = self.index.resolve(self.number, space, &name.node);
        self.used(name.span, &name.node, found)
    }

    fn rule(&mut self, spaces: &[Space], span: Span, name: &str) {
        let found = spaces.iter().find_map(|space| self.index.rule(self.number, *space, name));
        self.used(span, name, found);
    }

    fn inner_name(&mut self, name: &Name) {
        let Some(owner) = self.inner else { return };
        if let Some(found) = self.index.one_inside(owner, &name.node) {
            self.spot(name.span, What::Used(found));
        }
    }

    fn file(&mut self, path: &Text) {
        let file = from_policy(self.unit, &path.node);
        self.spot(path.span, What::File(file));
    }

    fn literal(&mut self, literal: &Spanned<Literal>) {
        self.spot(literal.span, What::Literal(literal.node.clone(), None));
    }

    fn target(&mut self, target: &Target) {
        match &target.kind {
            TargetKind::Model(id) => self.spot(target.span, What::Model(id.clone())),
            TargetKind::Name(name) => {
                self.name(Space::Target, &Name::new(name.clone(), target.span));
            }
        }
    }

    /// An attribute; what its values are.
    fn attr(&mut self, path: &AttrPath) -> Values {
        let written = path.to_string();
        self.index_of(path);
        if let Some(declaration) = self.index.attribute(self.number, &written) {
            self.spot(path.span, What::Used(declaration));
            return self.values_of(declaration);
        }
        let name = schema_name(path);
        let Some(attr) = Attr::named(&name) else { return Values::default() };
        self.spot(path.span, What::Attribute(name));
        let counts_tokens = attr.def().ty == schema::Type::Tokens;
        Values { members: None, unit: TOKENS.filter(|_| counts_tokens) }
    }

    /// What stands in an attribute's brackets: the name of a pool, a model, a budget.
    fn index_of(&mut self, path: &AttrPath) {
        let index = path.parts.iter().find_map(|part| match part {
            AttrPart::Index(text) => Some(text),
            AttrPart::Word(_) => None,
        });
        let (Some(text), Some(attr)) = (index, Attr::named(&schema_name(path))) else { return };
        let Some(at) = self.sources.slice(path.span).find(&format!("\"{text}\"")) else { return };
        let start = path.span.start + at as u32 + 1;
        let inside = Name::new(text.clone(), Span { start, end: start + text.len() as u32 });
        match attr.def().index {
            schema::Index::Pool => _ = self.name(Space::Target, &inside),
            schema::Index::Budget => _ = self.name(Space::Budget, &inside),
            schema::Index::Model => self.spot(inside.span, What::Model(inside.node)),
            schema::Index::None | schema::Index::Text => {}
        }
    }

    fn values_of(&self, attribute: usize) -> Values {
        let declaration = &self.index.declarations[attribute];
        let items = &self.units[declaration.unit].tree.items;
        let ty = items.iter().find_map(|line| match &line.node {
            Item::Attribute { attr, ty, .. } if attr.span == declaration.span => Some(&ty.node),
            _ => None,
        });
        match ty {
            Some(TypeExpr::Scalar { name, .. }) => {
                Values { members: None, unit: TOKENS.filter(|it| it == name) }
            }
            _ => Values { members: self.index.members(attribute), unit: None },
        }
    }

    fn value(&mut self, value: &Value, values: Values) {
        match &value.kind {
            ValueKind::Literal(literal) => {
                self.spot(value.span, What::Literal(literal.clone(), values.unit));
            }
            ValueKind::Name(name) => {
                let member = values.members.and_then(|it| self.index.one_inside(it, name));
                match member {
                    Some(member) => self.spot(value.span, What::Used(member)),
                    None => _ = self.name(Space::Name, &Name::new(name.clone(), value.span)),
                }
            }
        }
    }

    fn cond(&mut self, cond: &Cond) {
        match &cond.kind {
            CondKind::Or(conds) | CondKind::And(conds) => conds.iter().for_each(|it| self.cond(it)),
            CondKind::Not(inner) => self.cond(inner),
            CondKind::Atom { attr, test } => self.atom(attr, test.as_ref()),
        }
    }

    fn atom(&mut self, attr: &AttrPath, test: Option<&Test>) {
        if let Some(name) = attr.as_name()
            && self.name(Space::Name, &Name::new(name, attr.span))
        {
            return;
        }
        let values = self.attr(attr);
        // What comes of a request is told in the policy's own names.
        let outcome = attr.as_name();
        let is_route = outcome.as_deref() == Some("route");
        match test {
            Some(Test::Compare(_, value)) if is_route => self.route_value(value),
            Some(Test::In { set: Membership::List(list), .. }) if is_route => {
                list.node.iter().for_each(|value| self.route_value(value));
            }
            Some(Test::Compare(_, value)) => self.value(value, values),
            Some(Test::In { set, .. }) => match set {
                Membership::Range(range) => self.range(range, values.unit),
                Membership::List(list) => list.node.iter().for_each(|it| self.value(it, values)),
                Membership::Name(name) => _ = self.name(Space::Name, name),
            },
            Some(Test::Has(_, values)) => {
                values.iter().for_each(|it| self.value(it, Values::default()))
            }
            Some(Test::Present(_) | Test::Like(_) | Test::Matches(_)) | None => {}
        }
    }

    fn range(&mut self, range: &Range, unit: Option<&'static str>) {
        let what = What::Range(range.from.node.clone(), range.to.node.clone(), unit);
        self.spot(range.from.span.to(range.to.span), what);
    }

    fn route_value(&mut self, value: &Value) {
        if let ValueKind::Name(name) = &value.kind {
            self.rule(&[Space::Route], value.span, name);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Language(_) => {}
            Item::Import { path, .. } => self.file(path),
            Item::Enum { .. } => {}
            Item::Attribute { attr, ty, source, default } => {
                self.attribute(attr, ty, source.as_ref(), default.as_ref());
            }
            Item::Let { body: LetBody::List(list), .. } => {
                list.node.iter().for_each(|value| self.value(value, Values::default()));
            }
            Item::Let { body: LetBody::Cond(cond), .. } | Item::Assume(cond) => self.cond(cond),
            Item::Schedule(_) => {}
            Item::Pool { set, pick, .. } => {
                self.set(set);
                self.pick(pick.as_ref());
            }
            Item::Ladder { rungs, .. } => rungs.lines.iter().for_each(|line| self.rung(&line.node)),
            Item::Split { by, arms, .. } => {
                by.iter().for_each(|by| self.by(by));
                arms.lines.iter().for_each(|line| self.target(&line.node.to));
            }
            Item::Experiment { name, by, lines } => {
                self.by(by);
                let own = (self.number, Space::Target, name.node.clone());
                self.inner = self.index.by_name.get(&own).copied();
                lines.lines.iter().for_each(|line| self.experiment(&line.node));
                self.inner = None;
            }
            Item::Budget { amount, per, when, marks, .. } => {
                self.literal(amount);
                self.attr(per);
                when.iter().for_each(|when| self.cond(when));
                for line in &marks.lines {
                    self.literal(&line.node.share);
                    self.breach(&line.node.breach);
                }
            }
            Item::Limit { amount, per, when, breach, .. } => {
                let (LimitAmount::Rate(amount) | LimitAmount::Concurrent(amount)) = amount;
                self.literal(amount);
                self.attr(per);
                when.iter().for_each(|when| self.cond(when));
                self.breach(breach);
            }
            Item::Deny { when, .. } => self.cond(when),
            Item::Require { when, only, .. } => {
                when.iter().for_each(|when| self.cond(when));
                self.cond(only);
            }
            Item::Defaults(body) => self.body(body),
            Item::Tune { when, body, .. } => {
                self.cond(when);
                self.body(body);
            }
            Item::Route { when, to, body, .. } => {
                self.cond(when);
                self.target(to);
                body.iter().for_each(|body| self.body(body));
            }
            Item::Default { to, body } => {
                self.target(to);
                body.iter().for_each(|body| self.body(body));
            }
            Item::Delegate { when, to, .. } => {
                self.cond(when);
                self.file(to);
            }
            Item::Alias { to, .. } => self.target(to),
            Item::Invariant { when, claims, .. } => {
                when.iter().for_each(|when| self.cond(when));
                claims.lines.iter().for_each(|line| self.claim(&line.node));
            }
            Item::Test { lines, .. } => lines.lines.iter().for_each(|line| self.test(&line.node)),
        }
    }

    fn attribute(
        &mut self,
        attr: &AttrPath,
        ty: &Spanned<TypeExpr>,
        source: Option<&Source>,
        default: Option<&Value>,
    ) {
        if let TypeExpr::Named(name) = &ty.node {
            self.name(Space::Name, &Name::new(name.clone(), ty.span));
        }
        match source {
            Some(Source::Script(file, _)) => self.file(file),
            Some(Source::Attr(path)) => _ = self.attr(path),
            Some(Source::Classifier(..) | Source::Header(_)) | None => {}
        }
        if let Some(value) = default {
            let declaration = self.index.attribute(self.number, &attr.to_string());
            let values = declaration.map_or_else(Values::default, |it| self.values_of(it));
            self.value(value, values);
        }
    }

    fn set(&mut self, set: &SetExpr) {
        let rest = set.rest.iter().map(|(_, term)| term);
        for term in std::iter::once(&set.first).chain(rest) {
            match &term.node {
                SetTerm::List(targets) => targets.iter().for_each(|target| self.target(target)),
                SetTerm::Models(cond) => cond.iter().for_each(|cond| self.cond(cond)),
                SetTerm::Name(name) => {
                    self.name(Space::Target, &Name::new(name.clone(), term.span));
                }
            }
        }
    }

    fn pick(&mut self, pick: Option<&Pick>) {
        if let Some(pick) = pick
            && let PickStrategy::Script(file, _) = &pick.strategy.node
        {
            self.file(file);
        }
    }

    fn by(&mut self, by: &By) {
        by.attrs.iter().for_each(|attr| _ = self.attr(attr));
    }

    fn rung(&mut self, rung: &Rung) {
        match rung {
            Rung::Step { to, escalate, body, .. } => {
                self.target(to);
                escalate.iter().for_each(|cond| self.cond(cond));
                body.iter().for_each(|body| self.body(body));
            }
            Rung::MaxCost(amount) | Rung::Deadline(amount) => self.literal(amount),
            Rung::Hold(_) => {}
        }
    }

    fn experiment(&mut self, line: &ExperimentLine) {
        match line {
            ExperimentLine::Arm(arm) => self.target(&arm.to),
            ExperimentLine::Ramp { arm, shares, every, .. } => {
                self.inner_name(arm);
                shares.iter().for_each(|share| self.literal(share));
                self.literal(every);
            }
            ExperimentLine::Metric(_) => {}
            ExperimentLine::Guard { halt_to, .. } => self.inner_name(halt_to),
            ExperimentLine::Ends { to, .. } => self.target(to),
        }
    }

    fn breach(&mut self, breach: &Breach) {
        match breach {
            Breach::Degrade(to) => self.target(to),
            Breach::Queue(time) => self.literal(time),
            Breach::Warn | Breach::Deny(_) => {}
        }
    }

    fn body(&mut self, body: &Block<Stmt>) {
        body.lines.iter().for_each(|line| self.statement(&line.node));
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Only(cond) => self.cond(cond),
            Stmt::Timeout(clocks) => clocks.iter().for_each(|(_, time)| self.literal(time)),
            Stmt::Retry { backoff, .. } => {
                if let Some((first, longest)) = backoff {
                    self.literal(first);
                    longest.iter().for_each(|longest| self.literal(longest));
                }
            }
            Stmt::Fallback { to, .. } => to.iter().for_each(|to| self.target(to)),
            Stmt::Hedge { after, to, .. } => {
                self.value(after, Values::default());
                self.target(to);
            }
            Stmt::Cap { amount, breach } => {
                self.literal(amount);
                self.breach(breach);
            }
            Stmt::Cache(CacheStmt::On { ttl, .. }) => self.literal(ttl),
            Stmt::Cache(CacheStmt::Off) => {}
            // Words here are no names of the policy.
            Stmt::Set { param, value, .. } => {
                if let ValueKind::Literal(literal) = &value.kind {
                    let unit = TOKENS.filter(|_| param.node == "max_output");
                    self.spot(value.span, What::Literal(literal.clone(), unit));
                }
            }
            Stmt::Tag { .. } => {}
            Stmt::Prompt { from_file: true, text, .. } => self.file(text),
            Stmt::Prompt { .. } => {}
            Stmt::Shadow { share, to } => {
                self.literal(share);
                self.target(to);
            }
            Stmt::Sticky { by, ttl } => {
                self.attr(by);
                self.literal(ttl);
            }
            Stmt::Floor { attr, at_least } => {
                self.attr(attr);
                self.literal(at_least);
            }
            Stmt::Pick(pick) => self.pick(Some(pick)),
            Stmt::Log { .. } | Stmt::Hold(_) => {}
        }
    }

    fn claim(&mut self, claim: &Claim) {
        match claim {
            Claim::Models(_, cond) => self.cond(cond),
            Claim::NoShadow | Claim::Denied { .. } => {}
            Claim::Bound { at_most, .. } => self.literal(at_most),
            Claim::RouteIn(routes) => routes.node.iter().for_each(|it| self.route_value(it)),
        }
    }

    fn test(&mut self, line: &TestLine) {
        match line {
            TestLine::Given(bindings) => {
                for binding in bindings {
                    let values = self.attr(&binding.attr);
                    match &binding.value {
                        BindingValue::One(value) => self.value(value, values),
                        BindingValue::List(list) => {
                            list.node.iter().for_each(|value| self.value(value, values));
                        }
                    }
                }
            }
            TestLine::Attempt { after, .. } => after.iter().for_each(|time| self.literal(time)),
            TestLine::Expect(Expectation::ModelsIn(_, pool)) => {
                self.name(Space::Target, pool);
            }
            TestLine::Expect(Expectation::ModelsWhere(_, cond) | Expectation::Cond(cond)) => {
                self.cond(cond);
            }
            TestLine::Expect(Expectation::Denied(rule)) => {
                if let Some(rule) = rule {
                    self.rule(&[Space::Rule, Space::Route], rule.span, &rule.node);
                }
            }
            TestLine::Expect(Expectation::AnsweredBy(to)) => self.target(to),
        }
    }
}

impl Index {
    /// The declared attribute that is written so; they belong to the request, whichever file gives
    /// them their type.
    pub fn attribute(&self, unit: usize, written: &str) -> Option<usize> {
        let own = self.by_name.get(&(unit, Space::Attribute, written.to_owned())).copied();
        own.or_else(|| self.attributes.get(written).copied())
    }

    /// The declaration that holds the words a declared attribute may be: an enum, or itself.
    pub fn members(&self, attribute: usize) -> Option<usize> {
        let unit = self.declarations[attribute].unit;
        match self.types.get(&attribute)? {
            Some(name) => self.resolve(unit, Space::Name, name)?.last().copied(),
            None => Some(attribute),
        }
    }

    /// The rule that traces call so (`search.chat`), with the delegates on the way to it. Inside of
    /// a delegated file its own rules go without the prefix.
    pub fn rule(&self, unit: usize, space: Space, name: &str) -> Option<Vec<usize>> {
        [unit, 0].into_iter().find_map(|start| {
            let mut words: Vec<&str> = name.split('.').collect();
            let last = words.pop()?;
            let mut found = Vec::with_capacity(words.len() + 1);
            let mut unit = start;
            for word in words {
                let delegate = *self.by_name.get(&(unit, Space::Route, word.to_owned()))?;
                unit = *self.delegated.get(&delegate)?;
                found.push(delegate);
            }
            found.push(*self.by_name.get(&(unit, space, last.to_owned()))?);
            Some(found)
        })
    }
}
