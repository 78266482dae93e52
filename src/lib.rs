//! Pointsman: an LLM gateway whose routing policy people can read, test and prove.

pub mod cache;
pub mod caller;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod dispatch;
pub mod error_class;
pub mod facts;
pub mod gateway;
pub mod ids;
pub mod policy;
pub mod provider;
pub mod sim;
pub mod telemetry;
pub mod units;
