//! Models, their prices and what they can do: facts with a source and a date.

pub mod model;

pub use model::Model;
