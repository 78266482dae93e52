//! Rhai, fenced: so far scripts are compiled and their entry points checked; running them comes
//! with the statements that use them.

use rhai::{AST, Engine};

/// What a script must offer, by where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `attribute … from script`: `fn value(req)`
    Value,
    /// `pick script`: `fn rank(req, model)`
    Rank,
    /// `judge[..]`: `fn judge(req, answer)`
    Judge,
}

impl Entry {
    /// Name and number of parameters.
    fn signature(self) -> (&'static str, usize) {
        match self {
            Entry::Value => ("value", 1),
            Entry::Rank => ("rank", 2),
            Entry::Judge => ("judge", 2),
        }
    }
}

/// Why a script cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It is not Rhai.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What the compiler says.
        message: String,
    },
    /// It lacks its function.
    #[error("the script has no `fn {name}` with {parameters} parameters")]
    NoEntry {
        /// The function's name.
        name: &'static str,
        /// How many parameters it takes.
        parameters: usize,
    },
}

/// A compiled script.
#[derive(Debug)]
pub struct Script {
    /// Its file, as the policy names it.
    pub name: String,
    /// What it is used for.
    pub entry: Entry,
}

impl Script {
    /// Compiles a script and looks for its entry point. Nothing of it is run.
    ///
    /// # Errors
    /// With the place of a syntax error, or the function that is missing.
    pub fn compile(name: &str, source: &str, entry: Entry) -> Result<Script, ScriptError> {
        check(source, entry)?;
        Ok(Script { name: name.to_owned(), entry })
    }
}

fn check(source: &str, entry: Entry) -> Result<(), ScriptError> {
    let ast: AST = fenced().compile(source).map_err(|error| {
        let place = error.position();
        ScriptError::Syntax {
            line: place.line().unwrap_or(1),
            column: place.position().unwrap_or(1),
            message: error.err_type().to_string(),
        }
    })?;
    let (name, parameters) = entry.signature();
    let found = ast
        .iter_functions()
        .any(|function| function.name == name && function.params.len() == parameters);
    if found { Ok(()) } else { Err(ScriptError::NoEntry { name, parameters }) }
}

/// An engine without packages, `eval` or modules, with limits on everything that can grow.
fn fenced() -> Engine {
    let mut engine = Engine::new_raw();
    engine
        .disable_symbol("eval")
        .disable_symbol("import")
        .disable_symbol("export")
        .disable_symbol("print")
        .disable_symbol("debug")
        .set_max_expr_depths(32, 16)
        .set_max_string_size(4 * 1024)
        .set_max_array_size(256)
        .set_max_map_size(256);
    engine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_needs_its_entry_point() {
        assert_eq!(check("fn value(req) { 0.5 }", Entry::Value), Ok(()));
        let missing = ScriptError::NoEntry { name: "rank", parameters: 2 };
        assert_eq!(check("fn value(req) { 0.5 }", Entry::Rank), Err(missing.clone()));
        assert_eq!(check("fn rank(req) { 0.5 }", Entry::Rank), Err(missing));
    }

    #[test]
    fn faults_have_a_place_and_forbidden_words_are_faults() {
        let broken = check("fn value(req) {\n  let x = ;\n}", Entry::Value);
        assert!(matches!(broken, Err(ScriptError::Syntax { line: 2, .. })), "{broken:?}");
        assert!(check("fn value(req) { eval(\"1\") }", Entry::Value).is_err());
        assert!(check(&"(".repeat(10_000), Entry::Value).is_err());
    }
}
