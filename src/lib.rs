//! Pointsman: an LLM gateway whose routing policy people can read, test and prove.
//!
//! `client → gateway → facts → policy → plan → dispatch → provider → back`. The modules in reading
//! order; imports run downwards only, from the last group to the first:
//!
//! - basic types: [`units`], [`ids`], [`error_class`], [`caller`]
//! - the pure core, without I/O and clock: [`catalog`] (models, prices), [`dialect`] (wire formats),
//!   [`policy`] (the language, its evaluator, its plans), [`script`] (Rhai, fenced), [`facts`] (what a
//!   policy may look at)
//! - [`replay`] (what another policy would have decided, from a decision log)
//! - the shell: [`provider`] (who can be asked, and the HTTP client), [`cache`], [`dispatch`] (carrying
//!   out a plan), [`sim`] (the built-in provider), [`config`], [`convert`] (other gateways'
//!   configurations), [`telemetry`], [`gateway`] (what clients talk to), [`cli`]

pub mod cache;
pub mod caller;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod convert;
pub mod dialect;
pub mod dispatch;
pub mod error_class;
pub mod facts;
pub mod gateway;
pub mod ids;
pub mod policy;
pub mod provider;
pub mod replay;
pub mod script;
pub mod sim;
pub mod telemetry;
pub mod units;
