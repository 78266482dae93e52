//! Ids of tool calls, as they may be here: of letters, digits, `_` and `-`, and each one once.

use std::collections::{HashMap, VecDeque};

use crate::dialect::part::Text;

/// Whether an id is taken as it is.
fn is_fine(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// An id with everything else replaced.
pub(super) fn sanitised(id: &str) -> Text<'_> {
    if is_fine(id) {
        return id.into();
    }
    let fine = |char: char| if char.is_ascii_alphanumeric() || char == '-' { char } else { '_' };
    id.chars().map(fine).collect::<String>().into()
}

/// Gives calls their ids, and results those of their calls. They must be asked in the order of the
/// conversation: some dialects use an id again in a later turn, and some have none at all.
#[derive(Debug, Default)]
pub(super) struct Ids<'a> {
    /// The ids that are taken, with the number that makes the next one of it.
    used: HashMap<Text<'a>, u32>,
    /// The id that a call's own id stands for by now.
    current: HashMap<&'a str, Text<'a>>,
    /// Calls without an id that have no result yet, by the names of their tools.
    nameless: VecDeque<(&'a str, Text<'a>)>,
}

impl<'a> Ids<'a> {
    /// The id of a call.
    pub(super) fn of_call(&mut self, id: &'a str, tool: &'a str) -> Text<'a> {
        let wanted = if id.is_empty() { "call".into() } else { sanitised(id) };
        let mut given = wanted.clone();
        if let Some(mut number) = self.used.get(&wanted).copied() {
            while self.used.contains_key(&given) {
                given = format!("{wanted}_{number}").into();
                number += 1;
            }
            self.used.insert(wanted, number);
        }
        self.used.insert(given.clone(), 2);
        match id.is_empty() {
            true => self.nameless.push_back((tool, given.clone())),
            false => drop(self.current.insert(id, given.clone())),
        }
        given
    }

    /// The id of the call that a result is of.
    pub(super) fn of_result(&mut self, call: &'a str, tool: Option<&str>) -> Text<'a> {
        if !call.is_empty() {
            return self.current.get(call).cloned().unwrap_or_else(|| sanitised(call));
        }
        let named = self.nameless.iter().position(|(name, _)| Some(*name) == tool).unwrap_or(0);
        match self.nameless.remove(named) {
            Some((_, id)) => id,
            None => "call".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_find_their_calls() {
        let mut ids = Ids::default();
        assert_eq!(ids.of_call("functions.f:0", "f"), "functions_f_0");
        assert_eq!(ids.of_result("functions.f:0", None), "functions_f_0");
        assert_eq!(ids.of_call("functions.f:0", "f"), "functions_f_0_2");
        assert_eq!(ids.of_result("functions.f:0", None), "functions_f_0_2");
        assert_eq!((ids.of_call("", "a"), ids.of_call("", "b")), ("call".into(), "call_2".into()));
        assert_eq!(ids.of_result("", Some("b")), "call_2");
        assert_eq!(ids.of_result("", None), "call");
        assert_eq!(ids.of_result("toolu_1", None), "toolu_1");
        // An id that looks like one of ours is one that is taken.
        assert_eq!((ids.of_call("x_2", "f"), ids.of_call("x", "f")), ("x_2".into(), "x".into()));
        assert_eq!((ids.of_call("x", "f"), ids.of_call("x", "f")), ("x_3".into(), "x_4".into()));
    }
}
