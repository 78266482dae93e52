//! `tune`s that overlap and disagree (P4006).

use super::example::{example, example_for};
use super::findings::Search;
use super::prover::{Reach, RuleRef};
use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::program::Settings;
use crate::policy::syntax::tree::{PromptPlace, SetParamOp};

impl Search<'_> {
    pub fn disagreements(&mut self) {
        let tunes = &self.program.tunes;
        for later in 0..tunes.len() {
            // The defaults of a delegated file are there to be overridden.
            for earlier in (0..later).filter(|it| !tunes[*it].rule.name.ends_with(".defaults")) {
                let (first, second) = (&tunes[earlier].settings, &tunes[later].settings);
                let keys = disagreeing(first, second);
                if let Some(key) = keys.first()
                    && let Some(found) = self.disagreement(earlier, later, key)
                {
                    self.report(found);
                }
            }
        }
    }

    fn disagreement(&self, earlier: usize, later: usize, key: &str) -> Option<Diagnostic> {
        let program = self.program;
        let rooms = self.prover.rooms_of(RuleRef::Tune(earlier));
        let rooms = self.cut(&rooms, self.prover.regions_of(RuleRef::Tune(later)));
        let mut stops = self.prover.before(RuleRef::Tune(later));
        // Where a third one has the last word, these two do not matter to each other.
        for third in later + 1..program.tunes.len() {
            if says(&program.tunes[third].settings, key) {
                stops.more.push(RuleRef::Tune(third));
            }
        }
        let Reach::Here(room) = self.prover.any_escapes(&rooms, &stops, &[]) else { return None };
        let (said, certain) = self.prover.request(&room);
        let [first, second] = [earlier, later].map(|index| &program.tunes[index].rule);
        let both = first.when.holds(&said) && second.when.holds(&said);
        debug_assert!(both || !certain, "{}", example(&said));
        let message = format!(
            "tunes `{}` and `{}` disagree about `{key}` where both match",
            first.name, second.name
        );
        let found = Diagnostic::warning(
            codes::TUNES_DISAGREE,
            second.span,
            message,
            "this one has the last word",
        )
        .also(first.span, "overridden where both match");
        let found = match both {
            true => {
                let conds = [&first.own, &second.own];
                found.note(format!("example: {}", example_for(&said, &conds)))
            }
            false => found.note("they may overlap: a regular expression is involved"),
        };
        Some(found.help("make their conditions exclude each other, or say it in one of them only"))
    }
}

/// The keys of which both say something, and not the same.
fn disagreeing(a: &Settings, b: &Settings) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut note = |differ: bool, key: &str| {
        if differ {
            keys.push(key.to_owned());
        }
    };
    fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    for parameter in &a.parameters {
        let rivals = b.parameters.iter().filter(|it| it.name == parameter.name);
        let replaces = |op: SetParamOp| op == SetParamOp::Replace;
        // Clamps join: the tighter one stays. A replacement takes everything before it away.
        let mut rivals =
            rivals.filter(|it| *it != parameter && (replaces(it.op) || replaces(parameter.op)));
        note(rivals.next().is_some(), parameter.name.name());
    }
    let (x, y) = (&a.timeouts, &b.timeouts);
    note(differ(&x.total, &y.total), "timeout total");
    note(differ(&x.attempt, &y.attempt), "timeout attempt");
    note(differ(&x.connect, &y.connect), "timeout connect");
    note(differ(&x.headers, &y.headers), "timeout headers");
    note(differ(&x.ttft, &y.ttft), "timeout ttft");
    note(differ(&x.idle, &y.idle), "timeout idle");
    note(differ(&a.retry, &b.retry), "retry");
    note(differ(&a.fallback, &b.fallback), "fallback");
    note(differ(&a.hedge, &b.hedge), "hedge");
    note(differ(&a.sticky, &b.sticky), "sticky");
    note(differ(&a.cache, &b.cache), "cache");
    note(differ(&a.hold, &b.hold), "hold");
    note(differ(&a.pick, &b.pick), "pick");
    note(differ(&a.log_bodies, &b.log_bodies), "log bodies");
    note(differ(&a.on_lossy, &b.on_lossy), "on_lossy");
    for (name, value) in &a.tags {
        let rival = b.tags.iter().any(|(other, theirs)| other == name && theirs != value);
        note(rival, &format!("tag {name}"));
    }
    let replaced = |settings: &Settings| {
        let mut prompts = settings.prompts.iter();
        prompts.find(|it| it.place == PromptPlace::Replace).map(|it| it.text.clone())
    };
    note(differ(&replaced(a), &replaced(b)), "prompt replace");
    keys
}

/// Whether settings say something of a key.
fn says(settings: &Settings, key: &str) -> bool {
    let replaces = |it: &crate::policy::program::Parameter| it.op == SetParamOp::Replace;
    if settings.parameters.iter().any(|it| it.name.name() == key && replaces(it)) {
        return true;
    }
    if let Some(name) = key.strip_prefix("tag ") {
        return settings.tags.iter().any(|(known, _)| **known == *name);
    }
    let clocks = &settings.timeouts;
    match key {
        "timeout total" => clocks.total.is_some(),
        "timeout attempt" => clocks.attempt.is_some(),
        "timeout connect" => clocks.connect.is_some(),
        "timeout headers" => clocks.headers.is_some(),
        "timeout ttft" => clocks.ttft.is_some(),
        "timeout idle" => clocks.idle.is_some(),
        "retry" => settings.retry.is_some(),
        "fallback" => settings.fallback.is_some(),
        "hedge" => settings.hedge.is_some(),
        "sticky" => settings.sticky.is_some(),
        "cache" => settings.cache.is_some(),
        "hold" => settings.hold.is_some(),
        "pick" => settings.pick.is_some(),
        "log bodies" => settings.log_bodies.is_some(),
        "on_lossy" => settings.on_lossy.is_some(),
        _ => false,
    }
}
