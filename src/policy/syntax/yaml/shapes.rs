//! The kinds of text in a YAML policy, and the rule that reads each.

use super::super::grammar::{self, Rule};

/// A kind of text in the policy language.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// What it is called.
    pub what: &'static str,
    rule: Rule,
    /// What the rule wants in front of it.
    lead: &'static str,
    /// A statement that it makes whole, for explaining what is wrong with it: what comes before it…
    pub head: &'static str,
    /// … and what comes behind it.
    pub foot: &'static str,
}

impl Shape {
    /// Whether a text is one of these, and nothing more.
    pub fn holds(&self, text: &str) -> bool {
        let whole = format!("{}{text}", self.lead);
        grammar::run(self.rule, &whole)
            .ok()
            .and_then(|mut pairs| pairs.next())
            .is_some_and(|pair| pair.as_str().trim_end().len() == whole.trim_end().len())
    }
}

const DEFAULTS: &str = "\n}";

macro_rules! shapes {
    ($($name:ident = $what:literal, $rule:ident after $lead:literal, $head:literal, $foot:expr;)*) => {
        $(pub const $name: Shape = Shape {
            what: $what,
            rule: Rule::$rule,
            lead: $lead,
            head: $head,
            foot: $foot,
        };)*
    };
}

shapes! {
    COND = "a condition", cond after "", "assume ", "";
    TARGET = "a pool or a model", target after "", "default -> ", "";
    SET_EXPR = "a set of models", set_expr after "", "pool p = ", "";
    SET_TERM = "a set of models", set_term after "", "pool p = ", "";
    PICK = "an order such as `cheapest`", pick after "pick ", "pool p = models pick ", "";
    VALUE = "a value", value after "", "assume a == ", "";
    CLAMP = "a bound such as `<= 2k`", set after "set x ", "defaults {\nset x ", DEFAULTS;
    LITERAL = "a constant", literal after "", "defaults {\nfloor a >= ", DEFAULTS;
    MONEY = "an amount of money", dollars after "", "ladder l {\nmax_cost ", DEFAULTS;
    DURATION = "a duration such as `30s`", duration after "", "ladder l {\ndeadline ", DEFAULTS;
    AFTER = "a duration or a name", value after "", "defaults {\nhedge after ", " to x\n}";
    PERCENT = "a percentage", percent after "", "defaults {\nshadow ", " to x\n}";
    SHARE = "a share such as `5%`, or `rest`", share after "", "split s {\na ", " -> p\n}";
    RATE = "a rate such as `60/min`", rate after "", "limit l ", " per key.id else warn";
    NUMBER = "a number", number after "", "limit l ", " concurrent per key.id else warn";
    DATE = "a date", date after "", "experiment e by a {\nends ", " -> p\n}";
    IDENT = "a name", ident after "", "enum e = ", "";
    NAME = "a name", name after "", "experiment e by a {\nmetric ", DEFAULTS;
    ATTR = "an attribute", attr after "", "assume ", "";
    TYPE = "a type", r#type after "", "attribute a: ", "";
    SOURCE = "a source", source after "", "attribute a: bool from ", "";
    DIGITS = "a whole number", digits after "", "language ", "";
    NUM = "a number", num after "", "defaults {\ncache semantic ", " ttl 1h\n}";
    PERIOD = "a period such as `month`", period after "", "budget b $1 per ", " per key.id {}";
    HOLD = "`full`, `none`, `64 tokens` or `2s`", hold after "hold ", "defaults {\nhold ", DEFAULTS;
    SCHEDULE = "a schedule", schedule after "schedule s = ", "schedule s = ", "";
    BACKOFF = "a wait such as `200ms..2s`", retry after "retry 1 backoff ",
        "defaults {\nretry 1 backoff ", DEFAULTS;
    CLAUSE = "a timeout such as `ttft 4s`", clause after "", "defaults {\ntimeout ", DEFAULTS;
    LOGGED = "`on`, `off` or a percentage", log after "log x ", "defaults {\nlog x ", DEFAULTS;
    CLAIM = "a claim", claim after "", "invariant i {\n", DEFAULTS;
    BINDING = "a binding such as `task = chat`", binding after "", "test \"t\" {\ngiven ", DEFAULTS;
    ATTEMPT = "an attempt such as `1 timeout after 2s`", attempt after "attempt ",
        "test \"t\" {\nattempt ", DEFAULTS;
    EXPECT = "an expectation", expect after "expect ", "test \"t\" {\nexpect ", DEFAULTS;
}
