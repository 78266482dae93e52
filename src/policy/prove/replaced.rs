//! Routes that put another model in the place of one that the client named, without saying which
//! (P4008).

use super::example::example;
use super::findings::Search;
use super::prover::{Reach, RuleRef};
use crate::policy::codes;
use crate::policy::cond::Operand;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::plain::Said;
use crate::policy::program::{Program, Target};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::value::OwnedValue;

/// A name that no policy writes down: a route that takes it takes whatever a client may name.
const ANY_NAME: &str = "some-provider/some-model";

impl Search<'_> {
    /// Routes that answer a model they do not name with another one.
    pub fn replaced_models(&mut self) {
        let program = self.program;
        let model = Operand::Attr(AttrRef::plain(Attr::RequestModel));
        let auto = Operand::Attr(AttrRef::plain(Attr::RequestAuto));
        let axes = &self.prover.axes;
        let Some(axis) = axes.axis_with(&model).or_else(|| axes.axis_with(&auto)) else { return };
        let mut named = Said::default();
        named.say(&model, OwnedValue::Str(ANY_NAME.into()));
        let classes = axes.classes_of(axis, &named);
        let points = &axes.axes()[axis].points;
        let Some(point) = points.iter().position(|it| it.classes == classes) else { return };
        // A model that there is makes a better example.
        let known = program.catalog.models().iter().map(|known| known.id.as_str()).find(|id| {
            let mut named = Said::default();
            named.say(&model, OwnedValue::Str((*id).into()));
            axes.classes_of(axis, &named) == classes
        });
        let shown = known.unwrap_or(ANY_NAME).to_owned();
        let mut found = Vec::new();
        for (index, route) in program.routes.iter().enumerate() {
            if asks_the_named(program, route.target) {
                continue;
            }
            let rule = RuleRef::Route(index);
            let rooms: Vec<_> = (self.prover.rooms_of(rule).into_iter())
                .filter_map(|room| room.at(axis, point))
                .collect();
            let Reach::Here(room) = self.prover.any_escapes(&rooms, &self.prover.before(rule), &[])
            else {
                continue;
            };
            let mut request = self.prover.request(&room).0;
            request.say(&model, OwnedValue::Str(shown.as_str().into()));
            if program.table.decide(&request).first != Some(index as u32) {
                continue; // The name stands for texts of which one is told apart.
            }
            found.push(
                Diagnostic::warning(
                    codes::REPLACED,
                    route.rule.span,
                    format!("route `{}` answers models that clients name with others", route.rule.name),
                    "takes whatever model is named",
                )
                .help(
                    "send these requests to `requested`, or name the models that are to be replaced: \
                     `request.model in [..]`, `request.model like \"gpt-4*\"`, or an `alias`",
                )
                .note(format!("example: {}", example(&request))),
            );
        }
        self.found.extend(found);
    }
}

/// Whether a target asks the model that the client named.
fn asks_the_named(program: &Program, target: Target) -> bool {
    match target {
        Target::Requested => true,
        Target::Model(_) | Target::Pool(_) => false,
        Target::Ladder(index) => {
            program.ladders[index].steps.iter().any(|step| step.target == Target::Requested)
        }
        Target::Split(index) => {
            let arms = &program.splits[index].arms;
            arms.iter().all(|arm| asks_the_named(program, arm.target))
        }
    }
}
