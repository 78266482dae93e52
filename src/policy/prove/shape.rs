//! The shape of requests: what they demand of a model by themselves, and which models are left for
//! them.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::escape::{Region, Room};
use super::example::{say_int, say_model};
use super::prover::{Prover, Reach, RuleRef, Stops};
use crate::catalog::{Live, ModelIdx};
use crate::dialect::edits::{Param, ParamValue};
use crate::ids::ModelId;
use crate::policy::cond::{Cond, Op, Operand};
use crate::policy::eval::{Situation, decide, removed_by_shape};
use crate::policy::plain::Said;
use crate::policy::plan::{Decision, RemovedBy};
use crate::policy::program::{CapBreach, ModelSet, Program, Settings};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::{SetParamOp, Span};
use crate::policy::value::{Facts, OwnedValue, Value};
use crate::units::NanoDollars;

/// Conditions that make every demand a point of its own, for the attributes that a policy speaks of.
pub(super) fn demands(program: &Program) -> Vec<Cond> {
    let mut spoken: HashSet<Attr> = HashSet::new();
    for cond in program.conditions() {
        for test in cond.tests() {
            if let Operand::Attr(attr) = &test.operand {
                spoken.insert(attr.attr);
            }
        }
    }
    // Whether the client leaves the choice to the policy is always asked.
    let auto = Operand::Attr(AttrRef::plain(Attr::RequestAuto));
    let mut conds = vec![Cond::test(auto, Op::IsTrue, Span::default())];
    let mut add = |attr: Attr, op: Op| {
        if spoken.contains(&attr) {
            conds.push(Cond::test(Operand::Attr(AttrRef::plain(attr)), op, Span::default()));
        }
    };
    add(Attr::RequestImages, Op::Within(vec![(1, i64::MAX)]));
    add(Attr::RequestTools, Op::Within(vec![(1, i64::MAX)]));
    add(Attr::RequestN, Op::Within(vec![(2, i64::MAX)]));
    add(Attr::RequestApi, Op::OneOf(vec!["embeddings".into()]));
    for format in ["text", "json_object", "json_schema"] {
        add(Attr::RequestFormat, Op::OneOf(vec![format.into()]));
    }
    conds
}

/// A request that shows something.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// This one does; whether it surely exists.
    Request(Box<Said>, bool),
    /// None does.
    Never,
    /// The search was given up.
    Undecided,
}

/// The attributes by which a request demands something of a model.
const SHAPE: [Attr; 9] = [
    Attr::RequestApi,
    Attr::RequestTools,
    Attr::RequestImages,
    Attr::RequestAudio,
    Attr::RequestFormat,
    Attr::RequestLogprobs,
    Attr::RequestN,
    Attr::InputTokens,
    Attr::RequestMaxOutput,
];

/// What of a request's settings decides whom its shape removes.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    model: ModelIdx,
    requested: bool,
    cap: Option<NanoDollars>,
    output: Vec<(SetParamOp, i64)>,
}

/// Which models a request's shape leaves, over the axes of a policy.
pub(super) struct Shape {
    /// The axes that say something of the shape.
    axes: Vec<usize>,
    /// Attributes that no axis holds fast, so that a request may have any value of them.
    free: HashSet<Attr>,
    barred: RefCell<HashMap<Key, Rc<Vec<Region>>>>,
    live: Live,
    all: ModelSet,
}

impl Shape {
    pub fn of(prover: &Prover<'_>) -> Shape {
        let mut axes: Vec<usize> = Vec::new();
        let mut free: HashSet<Attr> = SHAPE.into_iter().collect();
        let mut sizes = false;
        for axis in 0..prover.axes.axes().len() {
            for operand in prover.axes.operands(axis) {
                let Operand::Attr(attr) = operand else { continue };
                let is_size = matches!(
                    attr.attr,
                    Attr::InputTokens
                        | Attr::InputSystemTokens
                        | Attr::InputLastTokens
                        | Attr::InputCachedTokens
                        | Attr::TotalTokens
                        | Attr::RequestMaxOutput
                );
                sizes |= is_size && attr.attr != Attr::RequestMaxOutput;
                free.remove(&attr.attr);
                if (SHAPE.contains(&attr.attr) || is_size) && !axes.contains(&axis) {
                    axes.push(axis);
                }
            }
        }
        if sizes {
            free.remove(&Attr::InputTokens);
        }
        let models = &prover.program.catalog;
        Shape {
            axes,
            free,
            barred: RefCell::default(),
            live: Live::fresh(models.models().len()),
            all: ModelSet::of(models, |_| true),
        }
    }

    /// Whether a request may have any value of an attribute.
    pub fn is_free(&self, attr: Attr) -> bool {
        self.free.contains(&attr)
    }

    fn situated<T>(
        &self,
        program: &Program,
        said: &Said,
        with: impl FnOnce(&Situation<'_>) -> T,
    ) -> T {
        let named = match said.get(&AttrRef::plain(Attr::RequestModel)) {
            Value::Str(id) => program.catalog.get(&ModelId::new(id)),
            _ => None,
        };
        with(&Situation {
            facts: said,
            live: &self.live,
            enabled: &self.all,
            allowed: &|_| true,
            named,
            remembered: &|_| None,
            meter: &(),
            seed: 0,
            turn: 0,
        })
    }

    /// What comes of a request, with everything well and every key allowed everything.
    pub fn decide(&self, program: &Program, said: &Said) -> Decision {
        self.situated(program, said, |situation| decide(program, situation))
    }

    /// What removes a model from a request, whatever the rules say.
    pub fn removed(
        &self,
        program: &Program,
        said: &Said,
        model: ModelIdx,
        settings: &Settings,
        requested: bool,
    ) -> Option<RemovedBy> {
        self.situated(program, said, |situation| {
            removed_by_shape(program, situation, model, settings, requested)
        })
    }

    /// The same request, and others that demand less or ask for less, where its attributes are free.
    pub fn variants(&self, program: &Program, said: &Said, model: ModelIdx) -> Vec<Said> {
        let mut base = said.clone();
        if self.free.contains(&Attr::RequestApi) && program.catalog[model].capabilities.embeddings {
            let api = Operand::Attr(AttrRef::plain(Attr::RequestApi));
            base.say(&api, OwnedValue::Str("embeddings".into()));
        }
        let mut all = vec![base.clone()];
        for output in [1_000, 1] {
            if self.free.contains(&Attr::RequestMaxOutput) {
                let mut less = base.clone();
                say_int(&mut less, Attr::RequestMaxOutput, output);
                all.push(less.clone());
                if self.free.contains(&Attr::InputTokens) {
                    say_int(&mut less, Attr::InputTokens, 1);
                    all.push(less);
                }
            }
        }
        all
    }

    /// The regions in which no request leaves this model, however its free attributes are: one per
    /// axis.
    pub fn barred(
        &self,
        prover: &Prover<'_>,
        model: ModelIdx,
        settings: &Settings,
        requested: bool,
    ) -> Rc<Vec<Region>> {
        let cap = settings.cap.as_ref().filter(|cap| cap.breach != CapBreach::Warn);
        if requested && cap.is_none() {
            return Rc::default(); // What a client asks of a model it named is its own affair.
        }
        let output = settings.parameters.iter().filter_map(|it| match (&it.name, &it.value) {
            (Param::MaxOutput, ParamValue::Int(value)) => Some((it.op, *value)),
            _ => None,
        });
        let key =
            Key { model, requested, cap: cap.map(|cap| cap.amount), output: output.collect() };
        if let Some(known) = self.barred.borrow().get(&key) {
            return known.clone();
        }
        // The condition of `only` is the caller's to look at: it is the same for all requests.
        let settings = Settings { only: Vec::new(), ..settings.clone() };
        let mut regions = Vec::new();
        for &axis in &self.axes {
            let points = &prover.axes.axes()[axis].points;
            let gone = (0..points.len()).filter(|point| {
                let mut said = Said::default();
                points[*point].sample.say_to(&mut said);
                let mut variants = self.variants(prover.program, &said, model);
                // What hangs together on the axis must stay where it is.
                variants.retain(|it| prover.axes.place(axis, it) == Some(*point));
                variants.iter().all(|said| {
                    self.removed(prover.program, said, model, &settings, requested).is_some()
                })
            });
            let gone: Vec<usize> = gone.collect();
            if !gone.is_empty() {
                regions.push(prover.axes.only(axis, gone.into_iter()));
            }
        }
        let regions = Rc::new(regions);
        self.barred.borrow_mut().insert(key, regions.clone());
        regions
    }

    /// A request of one of these rooms that nothing stops and for which this model is left.
    pub fn leaves(
        &self,
        prover: &Prover<'_>,
        rooms: &[Room],
        stops: &Stops,
        model: ModelIdx,
        settings: &Settings,
        requested: bool,
    ) -> Found {
        /// How many combinations of points are tried where each alone would do.
        const MOST_TRIES: usize = 12;
        let program = prover.program;
        if settings.only.iter().any(|only| !only.pass.contains(model)) {
            return Found::Never;
        }
        let mut stops = stops.clone();
        for (index, require) in program.requires.iter().enumerate() {
            if !require.only.pass.contains(model) {
                stops.more.push(RuleRef::Require(index));
            }
        }
        let mut also = (*self.barred(prover, model, settings, requested)).clone();
        for _ in 0..MOST_TRIES {
            let room = match prover.any_escapes(rooms, &stops, &also) {
                Reach::Here(room) => room,
                Reach::Never(_) => return Found::Never,
                Reach::Undecided => return Found::Undecided,
            };
            let (mut said, certain) = prover.request(&room);
            if requested {
                say_model(&mut said, program.catalog[model].id.as_str());
            }
            for variant in self.variants(program, &said, model) {
                let inside = !certain || prover.axes.holds(&room, &variant);
                if inside && self.removed(program, &variant, model, settings, requested).is_none() {
                    return Found::Request(Box::new(variant), certain);
                }
            }
            // Each point alone would do, but not all of them together.
            let chosen = self.axes.iter().filter_map(|axis| {
                let point = prover.axes.place(*axis, &said)?;
                Some(prover.axes.only(*axis, std::iter::once(point)).0)
            });
            let mut joint: Vec<_> = chosen.flatten().collect();
            joint.sort_unstable_by_key(|(axis, _)| *axis);
            also.push(Region(joint.into_iter().collect()));
        }
        Found::Undecided
    }
}
