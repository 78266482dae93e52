//! What the words of the language mean, one line each: for hover and for completion.

use crate::error_class::ErrorClass;
use crate::policy::syntax::words::Place;

/// What a statement does, and how several of them combine.
const STATEMENTS: &[(&str, &str)] = &[
    ("language", "The version of the language that the file is written in."),
    ("import", "Takes the names of another file, behind a prefix with `as`."),
    ("enum", "A closed set of words, for attributes of your own."),
    (
        "attribute",
        "Gives the request an attribute of your own, or an own type to one there is. With `else` it is never absent.",
    ),
    ("let", "Names a condition or a list. It is expanded where it stands, never called."),
    ("schedule", "Names days and hours of a time zone, for `time in NAME`."),
    ("assume", "A fact of your world that proofs may rely on; it is watched at run time."),
    ("pool", "A set of models and an order: `pick` says which is asked first."),
    (
        "ladder",
        "Asks step after step until an answer is good enough. Every step but the last has `escalate when`.",
    ),
    ("split", "Divides requests among targets by shares. Whoever is in an arm stays in it."),
    ("experiment", "A split that is watched: metrics, guards that halt it, an end."),
    (
        "budget",
        "Money over time per key, team, user … The worst case is set aside before the model is asked. Several combine: the strictest breach wins.",
    ),
    ("limit", "Rate or concurrency. Several combine: the strictest breach wins."),
    ("deny", "Refuses requests. Any that matches denies; order does not matter."),
    (
        "require",
        "Leaves only some models, for matching requests, whatever the route says. All that match are joined with *and*.",
    ),
    (
        "defaults",
        "Settings that everyone starts from. Later ones win per key: `defaults`, `tune`, the route.",
    ),
    ("tune", "Other settings for matching requests, in order; the later wins per key."),
    ("route", "Where matching requests go. The first that matches wins, top to bottom."),
    ("default", "Where everyone else goes. The last rule of the policy."),
    (
        "delegate",
        "Hands matching requests to another file's routes. It can add rules, never remove any.",
    ),
    (
        "alias",
        "What answers instead when a client names this model. `*` and `?` stand for anything.",
    ),
    ("invariant", "A promise for *all* requests, proved when the file loads."),
    ("test", "One request and what must come of it."),
];

/// What a line of a body does; in brackets, how several combine.
const DIRECTIVES: &[(&str, &str)] = &[
    ("only", "Leaves only models that meet a condition. *(all hold)*"),
    ("floor", "Leaves only models whose figure is at least this. *(all hold)*"),
    (
        "timeout",
        "Clocks: `total`, `ttft`, `attempt`, `idle`, `connect`, `headers`. *(last wins; `total` never grows past the client's own)*",
    ),
    ("retry", "Asks the same model again after these errors. *(last wins)*"),
    ("fallback", "Where to go when all candidates failed with these errors. *(last wins)*"),
    (
        "hedge",
        "Sends a second copy when the first is slow; the first answer is taken. *(last wins)*",
    ),
    (
        "cap",
        "The most that one request may cost, all attempts together. Dearer models are left out first; only when none is left, what stands behind `else` happens. *(least wins)*",
    ),
    (
        "set",
        "Sets a parameter (`=`) or clamps it (`<=`, `>=`). *(last wins; clamps: the tightest)*",
    ),
    ("prompt", "Text before, after or instead of the system prompt. *(last wins)*"),
    (
        "cache",
        "Keeps answers and gives them again: `exact`, `semantic 0.95`, or `off`. *(last wins)*",
    ),
    (
        "sticky",
        "Stays with the model that answered before, for the provider's prompt cache. *(last wins)*",
    ),
    ("shadow", "Sends a copy whose answer is thrown away. *(all)*"),
    ("tag", "A label for metrics and spend. *(union)*"),
    ("log", "What is written: `bodies on`, `off` or a share. *(last wins)*"),
    ("pick", "The order of the candidates. *(last wins)*"),
    (
        "hold",
        "How much of a stream is kept back until its step is accepted: `none`, `64 tokens`, `2s`, `full`. *(last wins)*",
    ),
    ("step", "A step of a ladder: who is asked, and when its answer is not taken."),
    ("max_cost", "The most that all steps or attempts together may cost."),
    ("deadline", "The longest that the whole climb may take."),
    ("arm", "An arm of the experiment: its name, its share, its target."),
    ("ramp", "Lets an arm grow step by step. Who is in it stays in it."),
    ("metric", "What is measured for each arm."),
    ("guard", "What must hold while the experiment runs; else the named arm takes over for good."),
    ("ends", "When the experiment ends, and who answers from then on."),
    ("rest", "The share that the other arms leave."),
    ("at", "What happens when this share of the budget is used."),
    ("every", "Speaks of every model that the plan could ever touch."),
    ("some", "Speaks of at least one model that the plan could touch."),
    ("no", "Speaks of no model that the plan could touch; or: `no shadow`."),
    ("never", "`never denied`: whoever matches gets an answer."),
    ("always", "`always denied`: whoever matches is refused."),
    ("max_attempts", "The most attempts that a plan can make."),
    ("max_latency", "The longest that a plan can take, by its timeouts."),
    ("given", "The request of the test. What is not said has the schema's default."),
    ("attempt", "How an attempt ends, for the test."),
    ("expect", "What must come of the request."),
];

const OTHERS: &[(&str, &str)] = &[
    ("when", "For whom it is: a condition on the request."),
    ("where", "A condition on models."),
    ("escalate", "When the answer of a step is not good enough and the next step is asked."),
    ("and", "Both must hold. Binds tighter than `or`."),
    ("or", "One must hold."),
    ("not", "Must not hold."),
    ("in", "Among the elements of a list, within a half-open range `a..b`, or within a schedule."),
    ("is", "`is present`, `is absent`: whether there is a value at all."),
    ("has", "A set holds a text: `has \"a\"`, `has any [..]`, `has all [..]`."),
    ("like", "Fits a glob: `*` is any text, `?` any character."),
    ("matches", "Fits a regular expression between slashes. Proofs cannot see into it."),
    ("because", "What the client is told."),
    ("status", "The HTTP status of the refusal; 403 if unsaid."),
    (
        "models",
        "All models of the catalogue; with `where`, some of them. It follows the catalogue.",
    ),
    ("plus", "Adds models to a set."),
    ("except", "Takes models out of a set."),
    ("requested", "The model that the client named."),
    ("warn", "Say so and go on."),
    ("degrade", "Use another target. All constraints still hold."),
    ("queue", "Wait this long for room."),
    ("cheapest", "By the worst-case cost of *this* request, the cheapest first."),
    ("fastest", "By the time to the first token lately, the fastest first."),
    ("best", "By quality, the best first."),
    ("first", "In the order of the list."),
    ("least-busy", "The fewest attempts under way first."),
    ("round-robin", "Each in turn."),
    ("of", "Spreads the load among this many of the first."),
    ("by", "What keeps a caller in its arm, or with its model."),
    ("salt", "Mixed into the hash: another salt deals anew."),
    ("backoff", "The first and the longest wait between attempts."),
    ("total", "The whole request, all attempts together."),
    ("ttft", "The time to the first token."),
    ("idle", "The longest silence within a stream."),
    ("connect", "The time to make a connection."),
    ("headers", "The time to the first byte of the answer."),
    (
        "transient",
        "Errors that may pass: rate limits, overload, timeouts, connections, server errors.",
    ),
    ("any", "Every error; behind `has`: one of the elements."),
    ("exact", "The same request, byte for byte in what matters."),
    ("semantic", "A request that means nearly the same; the number is the least similarity."),
    ("ttl", "How long an answer is kept."),
    ("full", "Keep the whole stream back until the step is accepted."),
];

/// What an error class says, for `on`.
const ERRORS: &[(ErrorClass, &str)] = &[
    (ErrorClass::RateLimited, "Too many requests (429)."),
    (ErrorClass::Overloaded, "The provider has no capacity right now (503, 529)."),
    (ErrorClass::Timeout, "One of the clocks ran out."),
    (ErrorClass::Connect, "No connection to the provider."),
    (ErrorClass::ServerError, "Any other fault of the provider (5xx)."),
    (ErrorClass::Auth, "The gateway's credential was refused (401, 403)."),
    (ErrorClass::BadRequest, "The provider does not take the request (400, 404, 413, 422)."),
    (ErrorClass::ContextExceeded, "The prompt does not fit the model."),
    (ErrorClass::ContentFiltered, "The provider's filter refused prompt or answer."),
    (ErrorClass::QuotaExhausted, "The account with the provider is used up (402)."),
    (ErrorClass::Unsupported, "The model cannot do what the request asks."),
    (ErrorClass::InvalidResponse, "An answer that is none: broken JSON, a stream without its end."),
    (ErrorClass::Canceled, "The client went away."),
];

/// What a word means in a block of this kind.
pub fn doc(word: &str, place: Place) -> Option<&'static str> {
    let of = |table: &[(&str, &'static str)]| {
        table.iter().find(|(known, _)| *known == word).map(|(_, doc)| *doc)
    };
    let tables = match place {
        Place::File => [STATEMENTS, OTHERS, DIRECTIVES],
        _ => [DIRECTIVES, OTHERS, STATEMENTS],
    };
    tables.into_iter().find_map(of).or_else(|| error(word))
}

/// Whether a word belongs to the language's own, wherever it stands.
pub fn is_of_the_language(word: &str) -> bool {
    const SMALL: [&str; 8] = ["to", "per", "else", "samples", "over", "after", "for", "request"];
    let of = |table: &[(&str, &str)]| table.iter().any(|(known, _)| *known == word);
    SMALL.contains(&word) || [STATEMENTS, DIRECTIVES, OTHERS].into_iter().any(of)
}

/// What an error class means.
pub fn error(word: &str) -> Option<&'static str> {
    ERRORS.iter().find(|(class, _)| class.name() == word).map(|(_, doc)| *doc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::syntax::words::ITEMS;

    #[test]
    fn every_word_that_starts_a_line_has_a_meaning() {
        for word in ITEMS {
            assert!(doc(word, Place::File).is_some(), "{word}");
        }
        let blocks = [
            Place::Body,
            Place::Ladder,
            Place::Split,
            Place::Experiment,
            Place::Budget,
            Place::Invariant,
            Place::Test,
        ];
        for place in blocks {
            for word in place.words() {
                assert!(doc(word, place).is_some(), "{word} in {place:?}");
            }
        }
        for class in ErrorClass::ALL {
            assert!(error(class.name()).is_some(), "{class}");
        }
    }
}
