//! Models, their prices and what they can do: facts with a source and a date.
//!
//! The catalogue is embedded in the binary ([`Catalog::embedded`]) and may be extended and corrected
//! by the configuration ([`Catalog::extended`]) in the same rows ([`spec`]). [`cost`] is the
//! arithmetic of prices, [`live`] the snapshot of how the models are doing.

pub mod cost;

mod embedded;
pub mod live;
pub mod model;
mod resolve;
pub mod scalar;
pub mod spec;

use std::collections::HashMap;
use std::ops::Index;

pub use cost::{Pieces, cost, worst_case};
pub use live::Live;
pub use model::Model;
pub use resolve::{CatalogError, Problem};
pub use spec::{ModelSpec, ProviderModels};

use crate::ids::{Generation, ModelId, ProviderId};

/// The place of a model in the catalogue that gave it; meaningless in any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelIdx(pub u32);

impl ModelIdx {
    /// The place as an index into [`Catalog::models`] and what runs parallel to it.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// All models, in a fixed order.
#[derive(Debug, Clone)]
pub struct Catalog {
    models: Vec<Model>,
    by_id: HashMap<ModelId, ModelIdx>,
    by_bare_name: HashMap<Box<str>, Vec<ModelIdx>>,
    version: Generation,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// One model.
    Found(ModelIdx),
    /// A bare name that several enabled providers have: one of these must be written.
    Ambiguous(Vec<ModelId>),
    /// No model.
    Unknown {
        /// What may have been meant, the likeliest first; often empty, never more than three.
        near: Vec<ModelId>,
    },
}

impl Catalog {
    /// The catalogue that comes with the binary.
    #[allow(clippy::expect_used, reason = "the rows are constants, and a test checks every one")]
    pub fn embedded() -> Catalog {
        Catalog::extended(&[]).expect("the embedded rows are sound")
    }

    /// The catalogue that comes with the binary, with the rows of a configuration laid over it.
    ///
    /// A row for a known model changes the fields it names; any other adds a model, and a provider
    /// if need be. `defaults` hold for all models of the provider that do not say otherwise.
    ///
    /// # Errors
    /// Everything that is wrong with the rows, not only the first thing.
    pub fn extended(overrides: &[ProviderModels]) -> Result<Catalog, CatalogError> {
        let mut rows = embedded::rows();
        resolve::overlay(&mut rows, overrides);
        resolve::models(&rows).map(Catalog::of)
    }

    fn of(models: Vec<Model>) -> Catalog {
        let indices = (0..).map(ModelIdx);
        let by_id = models.iter().map(|model| model.id.clone()).zip(indices).collect();
        let by_bare_name = resolve::by_bare_name(&models);
        // The derived text of a model has all its fields, so no fact can change unnoticed.
        let version = Generation::of(&[format!("{models:?}").as_bytes()]);
        Catalog { models, by_id, by_bare_name, version }
    }

    /// All models; the position is the [`ModelIdx`].
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The model with this full name.
    pub fn get(&self, id: &ModelId) -> Option<ModelIdx> {
        self.by_id.get(id).copied()
    }

    /// What a client or a policy means by a name: `provider/model`, or a bare `model` where exactly
    /// one enabled provider has it.
    ///
    /// A full name is found whether or not its provider is enabled.
    pub fn by_name(&self, name: &str, enabled: impl Fn(&ProviderId) -> bool) -> Lookup {
        match self.matching(name, enabled)[..] {
            [one] => Lookup::Found(one),
            [] => Lookup::Unknown { near: self.near(name) },
            ref several => Lookup::Ambiguous(self.ids(several)),
        }
    }

    /// As [`Catalog::by_name`], without looking for what else may have been meant: that compares
    /// the name with every other, which no request should have to pay for.
    pub fn find(&self, name: &str, enabled: impl Fn(&ProviderId) -> bool) -> Option<ModelIdx> {
        match self.matching(name, enabled)[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    fn matching(&self, name: &str, enabled: impl Fn(&ProviderId) -> bool) -> Vec<ModelIdx> {
        if let Some(found) = self.by_id.get(name) {
            return vec![*found];
        }
        let all = self.by_bare_name.get(name).map_or(&[][..], Vec::as_slice);
        all.iter().copied().filter(|idx| enabled(&self[*idx].provider)).collect()
    }

    /// The content hash of all facts.
    pub fn version(&self) -> Generation {
        self.version
    }

    fn ids(&self, indices: &[ModelIdx]) -> Vec<ModelId> {
        indices.iter().map(|idx| self[*idx].id.clone()).collect()
    }

    /// Up to three models whose names are near: the same model elsewhere, or few letters away.
    fn near(&self, name: &str) -> Vec<ModelId> {
        const MOST: usize = 3;
        /// Longer names are not slips of the pen, and the distance is quadratic in the length.
        const LONGEST: usize = 100;

        let bare = name.split_once('/').map_or(name, |(_, bare)| bare);
        if let Some(elsewhere) = self.by_bare_name.get(name).or_else(|| self.by_bare_name.get(bare))
        {
            return self.ids(&elsewhere[..elsewhere.len().min(MOST)]);
        }
        if name.len() > LONGEST {
            return Vec::new();
        }
        let limit = (name.chars().count() / 3).max(1);
        let mut near: Vec<(usize, &ModelId)> = self
            .models
            .iter()
            .map(|model| {
                let whole = if name.contains('/') { model.id.as_str() } else { model.id.model() };
                (strsim::osa_distance(name, whole), &model.id)
            })
            .filter(|(distance, _)| *distance <= limit)
            .collect();
        near.sort_by_key(|(distance, _)| *distance);
        near.into_iter().take(MOST).map(|(_, id)| id.clone()).collect()
    }
}

/// # Panics
/// If the index comes from another catalogue that has more models.
impl Index<ModelIdx> for Catalog {
    type Output = Model;

    fn index(&self, idx: ModelIdx) -> &Model {
        &self.models[idx.index()]
    }
}

#[cfg(test)]
mod tests;
