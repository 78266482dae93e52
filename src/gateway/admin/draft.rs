//! A text that might become active: compiled, and told with all that was found.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::error;
use crate::gateway::error::ApiError;
use crate::gateway::world::{PolicySource, World};
use crate::ids::PolicyName;
use crate::policy::diagnostic::{Diagnostic, Severity};
use crate::policy::program::Program;
use crate::policy::{Compiled, syntax};

/// A text that might become active, and what the compiler says about it.
pub(super) struct Draft {
    pub source: PolicySource,
    compiled: Compiled,
}

impl Draft {
    pub fn of(world: &World, name: &PolicyName, text: String) -> Result<Draft, ApiError> {
        let source = world
            .source_with(name, text)
            .ok_or_else(|| super::policies::unknown(world, name.as_str()))?;
        let compiled = source.compiled(&world.catalog, None);
        Ok(Draft { source, compiled })
    }

    /// The program, or everything that is wrong.
    pub fn program(&self) -> Result<&Arc<Program>, ApiError> {
        let (name, count) = (&self.source.name, self.count(Severity::Error));
        let refused = |code, message: String| {
            let refused = error(StatusCode::UNPROCESSABLE_ENTITY, code, message);
            refused.with("findings", self.findings())
        };
        match &self.compiled.program {
            Some(program) if count == 0 => Ok(program),
            None if count == 0 => {
                let message =
                    format!("`{name}` only declares names for others and decides nothing");
                Err(refused("no_policy", message))
            }
            _ => {
                let s = if count == 1 { "" } else { "s" };
                let message = format!("the policy `{name}` has {count} error{s}");
                Err(refused("policy_has_errors", message))
            }
        }
    }

    /// What was found, and what this version of the program cannot carry out.
    fn found(&self) -> impl Iterator<Item = &Diagnostic> {
        let waiting = self.compiled.program.iter().flat_map(|program| &program.waiting);
        self.compiled.diagnostics.iter().chain(waiting)
    }

    pub fn generation(&self) -> Option<String> {
        self.compiled.program.as_ref().map(|program| program.generation.to_string())
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.found().filter(|found| found.severity == severity).count()
    }

    fn findings(&self) -> Value {
        self.found().map(|it| syntax::to_json(it, &self.compiled.sources)).collect()
    }

    pub fn told(&self) -> Value {
        json!({
            "name": self.source.name,
            "generation": self.generation(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "findings": self.findings(),
        })
    }

    /// The policies that have this one's file among theirs, with what this draft makes of them.
    ///
    /// # Errors
    /// When it breaks one.
    pub fn dependants(&self, world: &World) -> Result<Vec<(PolicySource, Arc<Program>)>, ApiError> {
        let mut dependants = Vec::new();
        for (name, program) in &world.policies {
            let others = program.sources.files().count() > 1 && *name != self.source.name;
            let Some(source) = world.sources.get(name).filter(|_| others) else { continue };
            let compiled = source.compiled(&world.catalog, Some(&self.source));
            let dependant = Draft { source: source.clone(), compiled };
            let changed = dependant.program().map_err(|broken| {
                let message = format!(
                    "`{name}` has the file of `{}` among its own and would break: {}",
                    self.source.name, broken.message
                );
                let refused = error(StatusCode::CONFLICT, "breaks_another", message);
                refused.with("findings", dependant.findings())
            })?;
            if changed.generation != program.generation {
                dependants.push((source.clone(), changed.clone()));
            }
        }
        Ok(dependants)
    }
}
