//! What a plan has beside its main path: who is asked as well where an answer is slow, whose answers
//! are thrown away, and who answers because it answered before.

use std::sync::Arc;

use super::candidates::Ordered;
use super::{Builder, Listener, Mix, text_of};
use crate::catalog::ModelIdx;
use crate::policy::plan::{Affinity, Candidates, Hedging, ShadowCopy};
use crate::policy::program::{Hedge, Settings, Sticky, Target};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::value::Value;

impl Builder<'_> {
    /// Whom second copies of a step go to; `None` where nobody is left.
    pub(super) fn hedging(
        &self,
        hedge: &Hedge,
        settings: &Settings,
        listener: &mut dyn Listener,
    ) -> Option<Box<Hedging>> {
        let mut candidates = self.beside(hedge.to, "hedge", settings, listener);
        if self.requested {
            // A named model is answered by that model, so a copy may go to it alone.
            candidates.retain(|model| Some(*model) == self.situation.named);
        }
        let (after, max) = (hedge.after, hedge.max);
        (!candidates.is_empty()).then(|| Box::new(Hedging { after, candidates, max }))
    }

    /// The shadows that this request is in the sample of. Nobody sees their answers, so a named model
    /// has them too; they keep to all that its own candidates would have to.
    pub(super) fn shadows(&self, listener: &mut dyn Listener) -> Vec<ShadowCopy> {
        let mut shadows = Vec::new();
        for (position, shadow) in self.settings.shadows.iter().enumerate() {
            let mut mix = Mix::default();
            mix.add("shadow");
            mix.add(&self.route);
            mix.add(&position.to_string());
            // By the request alone, so that the same request has the same shadows when it is replayed.
            if let Value::Str(id) = self.situation.facts.get(&AttrRef::plain(Attr::RequestId)) {
                mix.add(id);
            }
            if mix.bucket() >= shadow.share.0 {
                continue;
            }
            let kept = self.beside(shadow.to, "shadow", &self.settings, listener);
            if let Some(model) = kept.first() {
                shadows.push(ShadowCopy { model: *model, share: shadow.share });
            }
        }
        shadows
    }

    fn beside(
        &self,
        to: Target,
        name: &str,
        settings: &Settings,
        listener: &mut dyn Listener,
    ) -> Candidates {
        let Some(target) = self.follow_splits(to) else { return Candidates::new() };
        self.candidates(target, &name.into(), settings, listener).candidates
    }

    /// Puts the model first that answered last, if it is still there and well. `None` where the
    /// request does not say who it is that stays.
    pub(super) fn stay(
        &self,
        sticky: &Sticky,
        step: &Arc<str>,
        kept: &mut Ordered,
    ) -> Option<Box<Affinity>> {
        let who = text_of(&sticky.by, self.situation.facts)?;
        let mut mix = Mix::default();
        for text in [self.program.name.as_str(), &self.route, step, &who] {
            mix.add(text);
        }
        let key = mix.key();
        let remembered = (self.situation.remembered)(&key);
        let well = |model: &ModelIdx| self.situation.live.model(*model).available;
        let place = remembered
            .filter(well)
            .and_then(|model| kept.candidates.iter().position(|candidate| *candidate == model));
        if let Some(place) = place {
            kept.candidates[..=place].rotate_right(1);
            // It is the one who was to be asked first.
            kept.passed_over = false;
        }
        let ttl = sticky.ttl;
        Some(Box::new(Affinity { key, ttl, remembered, kept: place.is_some() }))
    }
}
