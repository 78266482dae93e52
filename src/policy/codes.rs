//! Every code of the language, with a page of explanation: `pointsman explain P1002`.
//!
//! Ranges: P0 layout and syntax, P1 names, P2 types and units, P3 structure, P4 analysis, P5 proofs,
//! P6 tests. A code is never reused for something else.

use super::diagnostic::Code;

/// What there is to say about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why it is wrong, and what to do.
    pub explanation: &'static str,
    /// A piece of policy that has the fault.
    pub bad: &'static str,
    /// The same, put right.
    pub good: &'static str,
}

/// The page of a code; codes are read as people type them (`p1002`, `P1002`).
pub fn page(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code.0.eq_ignore_ascii_case(code.trim()))
}

/// Declares codes and their pages in one place, so that neither can be without the other.
macro_rules! pages {
    ($($name:ident = $code:literal, $title:literal, $explanation:literal, $bad:literal, $good:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*
        /// All pages, in the order of the codes.
        pub const PAGES: &[Page] = &[$(Page {
            code: $name,
            title: $title,
            explanation: $explanation,
            bad: $bad,
            good: $good,
        }),*];
    };
}

pages! {
    TOO_LARGE = "P0001", "the file or a line is too large",
        "A policy file may have 1 MiB and a line 64 KiB, so that checking it always takes a bounded \
         time. Put parts of a large policy into files of their own, with `import` or `delegate`, \
         and break long lists over lines inside their brackets.",
        "pool all = [sim/tiny, sim/small, and ten thousand more on this line]",
        "pool all = models where provider == \"sim\"";
    TOO_DEEP = "P0002", "brackets are nested too deep",
        "At most 64 levels of brackets are read. Nobody can follow a condition like that; give its \
         parts names with `let`. With all `let`s written out, a condition may be nested 192 levels \
         deep.",
        "route r when ((((((a or b) and c) or d)))) -> p",
        "let relevant = (a or b) and c\nroute r when relevant or d -> p";
    UNCLOSED_TEXT = "P0003", "a text or pattern is never closed",
        "A text ends with the quotes it started with, on the same line. A text over several lines \
         stands between three quotes on either side.",
        "deny x when a because \"no such thing",
        "deny x when a because \"no such thing\"";
    UNCLOSED_BRACKET = "P0004", "a bracket is never closed",
        "Every `(`, `[` and `{` needs its partner. The message points at the one that was opened: \
         the place where it should have been closed is a guess, the place where it was opened is \
         not.",
        "route x when a -> p {\n  timeout total 30s\ndefault -> p",
        "route x when a -> p {\n  timeout total 30s\n}\ndefault -> p";
    STRAY_BRACKET = "P0005", "a bracket closes nothing",
        "There is a `)`, `]` or `}` without the bracket it would close.",
        "default -> p\n}",
        "default -> p";
    WRONG_QUOTES = "P0006", "the quotes are not double quotes",
        "Texts stand in double quotes. Single quotes, backticks and typographic quotes have no \
         meaning in a policy.",
        "deny x when a because 'Not today'",
        "deny x when a because \"Not today\"";
    SYNTAX = "P0010", "the statement is not understood",
        "At the marked place the grammar would have taken something else; the message says what.",
        "pool p = models pick cheapest of",
        "pool p = models pick cheapest of 3";
    SINGLE_EQUALS = "P0011", "one sign for another: `=` and `==`",
        "`=` gives a value (`set temperature = 0.2`), `==` compares (`task == chat`). The other \
         comparisons are !=, <, <=, > and >=.",
        "route chat when task = chat -> p",
        "route chat when task == chat -> p";
    LOGIC_SIGNS = "P0012", "conditions are joined with words",
        "A policy is made to be read aloud: `and`, `or` and `not` instead of `&&`, `||` and `!`.",
        "route x when a && !b -> p",
        "route x when a and not b -> p";
    MISSING_ARROW = "P0013", "`->` is missing",
        "The target of a route, step or arm stands behind `->`.",
        "route x when a p",
        "route x when a -> p";
    WRONG_ARROW = "P0014", "the arrow is written `->`",
        "The way to a target is written `->`.",
        "default => p",
        "default -> p";
    MISSING_WORD = "P0015", "a word is missing",
        "The statement can be read once the word is added. A denial says why (`because`), a limit \
         and a cap say what happens then (`else`).",
        "deny x when a \"Not today\"",
        "deny x when a because \"Not today\"";
    MISSPELT = "P0016", "a word is misspelt",
        "The word is none of those that may stand here, but close to one.",
        "at 95% downgrade to small",
        "at 95% degrade to small";
    MISSING_QUOTES = "P0017", "a text is not in quotes",
        "Texts that people or models read stand in double quotes; words without quotes are names.",
        "deny x when a because Not today",
        "deny x when a because \"Not today\"";
    MISSING_BRACE = "P0018", "`{` is missing",
        "The lines of a block stand between `{`, at the end of the first line, and `}`.",
        "invariant i when a\n  no shadow\n}",
        "invariant i when a {\n  no shadow\n}";
    COMMA = "P0019", "a comma is missing or too many",
        "Elements of a list are separated by commas; one may follow the last element inside \
         brackets. Conditions are joined with `and` or `or`, never with commas.",
        "pool p = [sim/tiny sim/small]",
        "pool p = [sim/tiny, sim/small]";
    TWO_ON_A_LINE = "P0020", "two statements on one line",
        "A statement ends at the end of its line. Two on one line are separated by `;`.",
        "route x when a -> p { cache off log bodies off }",
        "route x when a -> p { cache off; log bodies off }";
    COLON = "P0021", "a colon as in YAML",
        "Settings are written as words, without colons. Who prefers YAML can write the same policy \
         in a `.yaml` file.",
        "timeout: total 30s",
        "timeout total 30s";
    OTHER_LANGUAGE = "P0022", "a word or sign of another language",
        "Rules are statements with a condition, not branches of a program: `route NAME when \
         CONDITION -> TARGET`, and the first that matches wins. Models are chosen with `where`, \
         requests with `when`.",
        "if task == code then large",
        "route code when task == code -> large";
    UPPER_CASE = "P0023", "keywords are lower case",
        "Every keyword is written in lower case.",
        "ROUTE x WHEN a -> p",
        "route x when a -> p";
    SPACE_IN_NUMBER = "P0024", "a space between number and unit",
        "A number and its unit are one word: `15s`, `8k`, `5%`. Only the word `tokens` stands apart.",
        "timeout total 15 s",
        "timeout total 15s";
    MISSING_UNIT = "P0030", "a number without its unit",
        "Durations, shares and money always carry their unit: `30s`, `5%`, `$0.05`. A bare number \
         is a count.",
        "split canary { 95 -> a; rest -> b }",
        "split canary { 95% -> a; rest -> b }";
    UNKNOWN_UNIT = "P0031", "an unknown unit",
        "Durations: us, ms, s, min, h, d, w. Counts: k, M, Ki, Mi. Sizes: KB, MB, GB, KiB, MiB, \
         GiB. Prices: per Mtok, ktok, image, request, minute.",
        "timeout total 30sec",
        "timeout total 30s";
    AMBIGUOUS_MINUTES = "P0032", "`m` could be minutes or millions",
        "Minutes are written `min`, millions `M`; a bare `m` has been read both ways too often.",
        "sticky by session.id for 5m",
        "sticky by session.id for 5min";
    TOO_FINE_MONEY = "P0033", "money finer than a billionth of a dollar",
        "Money is counted in whole nano-dollars, so that sums are exact.",
        "cap $0.0000000001 per request else deny",
        "cap $0.000000001 per request else deny";
    TOO_FINE_PERCENT = "P0034", "a percentage finer than 0.01 %",
        "Shares are counted in hundredths of a percent, so that they sum to exactly 100 %.",
        "shadow 0.001% to p",
        "shadow 0.01% to p";
    TOO_LARGE_NUMBER = "P0035", "a number is too large",
        "Numbers are held in 64 bits: counts up to about 9·10¹⁸, money up to about 18 billion \
         dollars, durations up to 292 years.",
        "budget b $99_000_000M per day per key.id { at 100% deny }",
        "budget b $99M per day per key.id { at 100% deny }";
    BAD_DATE = "P0036", "no such date",
        "A date is written `YYYY-MM-DD` and has to be in the calendar.",
        "ends 2026-02-30 -> p",
        "ends 2026-02-28 -> p";
    BAD_CLOCK = "P0037", "no such time of day",
        "A time of day is written `HH:MM`, from 00:00 to 24:00.",
        "schedule s = mon..fri 9:00..25:00 UTC",
        "schedule s = mon..fri 09:00..17:00 UTC";
    BAD_ESCAPE = "P0038", "no such escape",
        "In a text, a backslash starts one of \\\" \\\\ \\n \\r \\t \\0 \\u{1F600}. A backslash \
         itself is written twice. Between three quotes everything stands for itself.",
        "alias \"a\\d\" -> p",
        "alias \"a\\\\d\" -> p";
    NOT_A_COUNT = "P0039", "not a whole, positive number",
        "Tokens, requests, bytes and nanoseconds are counted in whole numbers, and a rate is more \
         than nothing.",
        "limit l 0/min per key.id else deny",
        "limit l 1/min per key.id else deny";
    YAML = "P0040", "the YAML cannot be read",
        "A policy in YAML is made of maps, lists and texts, indented with spaces. A text needs quotes \
         if it has `: ` or ` #` in it, or starts with a sign that YAML gives a meaning; inside of \
         `[ ]` and `{ }` also if it has a comma or a bracket in it.",
        "routes:\n- { name: r, when: task in [chat], to: a }\n- default: a",
        "routes:\n- { name: r, when: 'task in [chat]', to: a }\n- default: a";
    YAML_FEATURE = "P0041", "a feature of YAML that policies do without",
        "Anchors, aliases, merge keys, tags and further documents are not read: what is used twice \
         gets a name, so that people and proofs can speak of it.",
        "routes:\n- default: &main a",
        "pools:\n  main: { members: [sim/tiny] }\nroutes:\n- default: main";
    YAML_TWICE = "P0042", "a key stands twice in a map",
        "YAML leaves open which of the two holds, so neither does. What is said several times is a \
         list: of values, or of maps with the key once in each.",
        "pools:\n  a: { members: [sim/tiny] }\n  a: { members: [sim/small] }",
        "pools:\n  a: { members: [sim/tiny, sim/small] }";
    YAML_KEY = "P0043", "a key is unknown or missing",
        "Every statement has its keys; the message says which. Keys avoid the words that YAML 1.1 \
         reads as true and false: error classes stand behind `if`, not `on`.",
        "routes:\n- default: a\n  retry: { times: 2, on: [timeout] }",
        "routes:\n- default: a\n  retry: { times: 2, if: [timeout] }";
    YAML_SHAPE = "P0044", "something else is expected",
        "A map, a list or a text stands where something else is expected, or a text is not what its \
         place asks for.",
        "routes:\n  default: a",
        "routes:\n- default: a";
    UNKNOWN_STATEMENT = "P1001", "an unknown statement",
        "Every statement starts with a word that says what it is: pool, route, deny, budget …",
        "rout code when a -> p",
        "route code when a -> p";
    UNKNOWN_DIRECTIVE = "P1002", "an unknown directive",
        "Every line of a block starts with one of the words of that kind of block; the message \
         lists them.",
        "timout total 30s",
        "timeout total 30s";
    UNKNOWN_ATTRIBUTE = "P1101", "an unknown attribute",
        "Conditions look at attributes of the schema, or at ones declared with `attribute`. \
         `pointsman schema` lists them all with their types.",
        "route x when input.token > 8k -> p",
        "route x when input.tokens > 8k -> p";
    DUPLICATE_NAME = "P1102", "a name is taken",
        "Pools, ladders, splits and experiments share one space of names; so do `let`, `enum` and \
         `schedule`. A name means one thing.",
        "pool p = [sim/tiny]\npool p = [sim/small]",
        "pool p = [sim/tiny]\npool q = [sim/small]";
    UNKNOWN_TARGET = "P1103", "an unknown target",
        "A route goes to a pool, a ladder, a split or a model (`provider/model`). Names that \
         are not declared in the file are refused.",
        "default -> cheep",
        "default -> cheap";
    UNKNOWN_MODEL = "P1104", "a model that the catalogue does not have",
        "Models are named `provider/model`. `pointsman models` lists those that are built in; your \
         own go under `models:` in pointsman.yaml.",
        "default -> openai/gpt-5-nanoo",
        "default -> openai/gpt-5-nano";
    UNKNOWN_MEMBER = "P1105", "a word that the attribute never is",
        "The values of such an attribute are a closed set of words, so a word outside of it would \
         make a condition that never holds.",
        "route x when task == coding -> p",
        "route x when task == code -> p";
    UNKNOWN_NAME = "P1106", "an unknown name",
        "A schedule, a list, a time zone, a clock or another name is not known here. The message \
         lists what is.",
        "timeout totl 30s",
        "timeout total 30s";
    UNKNOWN_ERROR_CLASS = "P1107", "an unknown error class",
        "Errors fall into a closed set of classes; `transient` and `any` stand for several.",
        "retry 2 on ratelimited",
        "retry 2 on rate_limited";
    UNKNOWN_PARAMETER = "P1108", "an unknown parameter",
        "`set` changes parameters of the request by their neutral names, the same for all providers.",
        "set max_tokens <= 2k",
        "set max_output <= 2k";
    OUT_OF_PLACE = "P1109", "an attribute where it has no meaning",
        "Attributes of the request stand behind `when`, those of models behind `models where`, those \
         of attempts behind `escalate when`.",
        "route x when price.output < $1/Mtok -> p",
        "pool p = models where price.output < $1/Mtok";
    UNREADABLE_FILE = "P1110", "a file that cannot be read",
        "A policy may take a prompt from a file beside it. The path is relative to the policy.",
        "prompt prepend file \"missing.txt\"",
        "prompt prepend file \"house-style.txt\"";
    TYPE_MISMATCH = "P2001", "a constant of another type",
        "An attribute is compared with constants of its own type, so that no comparison is true or \
         false by accident.",
        "route x when key.team == search -> p",
        "route x when key.team == \"search\" -> p";
    OPERATOR_FOR_TYPE = "P2002", "an operator that the type does not have",
        "Texts and words have no order, sets are asked with `has`, times with `in`.",
        "route x when key.team > \"a\" -> p",
        "route x when key.team in [\"a\", \"b\"] -> p";
    MONEY_IS_NOT_A_PRICE = "P2003", "money and prices are different things",
        "`$3` is an amount, `$3/Mtok` a price. They are never equal, greater or less than each other.",
        "pool cheap = models where price.output <= $2",
        "pool cheap = models where price.output <= $2/Mtok";
    UNIT_MISSING = "P2004", "a quantity without its unit",
        "Durations, money, prices and shares are written with their unit, so that nobody has to \
         guess.",
        "pool cheap = models where price.output <= 2",
        "pool cheap = models where price.output <= $2/Mtok";
    OUT_OF_RANGE = "P2005", "a value out of range",
        "The value can never occur, or would have no meaning.",
        "route x when difficulty > 7 -> p",
        "route x when difficulty > 0.7 -> p";
    EMPTY_RANGE = "P2006", "a range with nothing in it",
        "`a..b` is at least `a` and less than `b`.",
        "route x when input.tokens in 8k..2k -> p",
        "route x when input.tokens in 2k..8k -> p";
    NOT_A_CONDITION = "P2007", "an attribute that is no yes or no",
        "Only yes-or-no attributes can stand alone; all others are compared with something.",
        "route x when input.tokens -> p",
        "route x when input.tokens > 8k -> p";
    BAD_REGEX = "P2008", "a pattern that does not compile",
        "Patterns are regular expressions without look-around and back references, so that \
         matching takes linear time.",
        "route x when key.name matches /(/ -> p",
        "route x when key.name matches /^svc-/ -> p";
    DEFAULT_MISSING = "P2009", "a declared attribute without `else`",
        "Attributes that a policy declares are never absent: say what they are when the source has \
         no value, or an impossible one.",
        "attribute key.tier: tier from key.meta[\"plan\"]",
        "attribute key.tier: tier from key.meta[\"plan\"] else free";
    BAD_SCRIPT = "P2010", "a script that cannot be used",
        "A script is Rhai, and offers the function its place asks for: `fn value(req)` for an \
         attribute, `fn rank(req, model)` for `pick script`, `fn judge(req, answer)` for `judge[..]`. \
         Its header names the attributes that it sees: `// uses: input.tokens, key.team`. It is \
         tried on a request of which nothing is said, and must give a value of the declared type. \
         See docs/scripts.md.",
        "fn score(r) { 0.5 }",
        "fn value(req) { 0.5 }";
    NO_DEFAULT = "P3001", "there is no `default` (now P4004)",
        "Earlier versions asked for a `default` in every policy. Now the routes are looked at: only where \
         a request falls through it is an error, P4004, with that request as an example.",
        "route x when task == code -> p",
        "route x when task == code -> p\ndefault -> p";
    SECOND_DEFAULT = "P3002", "there are two defaults",
        "The first takes everybody, so the second could never match.",
        "default -> a\ndefault -> b",
        "default -> a";
    BEHIND_DEFAULT = "P3003", "a route behind the default",
        "Routes are tried from top to bottom and `default` takes everybody.",
        "default -> a\nroute x when task == code -> b",
        "route x when task == code -> b\ndefault -> a";
    SHARES = "P3004", "shares that do not make a whole",
        "The shares of a split sum to 100 %; `rest` stands for what the others leave.",
        "split s { 94% -> a; 5% -> b }",
        "split s { rest -> a; 5% -> b }";
    CYCLE = "P3005", "a definition that leads back to itself",
        "Pools, ladders, splits and `let`s cannot contain themselves.",
        "let a = b\nlet b = a",
        "let a = request.stream\nlet b = a";
    EMPTY_POOL = "P3006", "a pool without models",
        "No model fits, so requests that go there are answered with an error (503). A pool that follows the \
         catalogue may have a model tomorrow, so for it this is a warning.",
        "pool p = models where context > 900M",
        "pool p = models where context > 900k";
    WRONG_TARGET = "P3007", "a target that makes no sense here",
        "A pool is made of models and pools; `requested` needs a request that names its model.",
        "default -> requested",
        "route named when request.model != \"auto\" -> requested";
    LISTED_TWICE = "P3008", "a model is listed twice",
        "It would be asked twice in a row.",
        "pool p = [sim/tiny, sim/tiny]",
        "pool p = [sim/tiny]";
    NO_STEPS = "P3009", "a ladder without steps",
        "A ladder has at least one `step`.",
        "ladder l { hold full }",
        "ladder l { hold full; step a -> p }";
    STEP_WITHOUT_ESCALATE = "P3010", "a step that never gives way",
        "Every step but the last says when its answer is not taken.",
        "ladder l { step a -> p; step b -> q }",
        "ladder l { step a -> p escalate when failed; step b -> q }";
    LAST_STEP_ESCALATES = "P3011", "the last step has nowhere to go",
        "There is no step above the last one.",
        "ladder l { step a -> p escalate when failed }",
        "ladder l { step a -> p escalate when failed; step b -> q }";
    SAID_TWICE = "P3012", "the same thing is said twice",
        "One of the two would silently win.",
        "retry 1 on timeout\nretry 2 on timeout",
        "retry 2 on timeout";
    NOT_ALLOWED_HERE = "P3013", "a directive in the wrong place",
        "A step says how its own attempts are made; what the client gets is said by the route.",
        "step a -> p { cache off }",
        "route x when task == code -> climb { cache off }";
    LANGUAGE_VERSION = "P3014", "the version of the language",
        "A file that names its version does so first. `language 1` keeps its meaning for ever.",
        "language 2",
        "language 1";
    CONDITION_TOO_COMPLEX = "P3015", "a condition with too many cases",
        "Conditions are looked up in a table of their cases, and this one has more than 256: one for each \
         way through its `or`s. Split the rule in two, one for each side of an `or`; names for parts \
         change nothing.",
        "route x when (a or b) and (c or d) and (e or f) and (g or h) and (i or j)\n  \
           and (k or l) and (m or n) and (o or p) and (q or r) -> p",
        "route x when a and (c or d) and (e or f) and (g or h) and (i or j)\n  \
           and (k or l) and (m or n) and (o or p) and (q or r) -> p\n\
         route y when b and (c or d) and (e or f) and (g or h) and (i or j)\n  \
           and (k or l) and (m or n) and (o or p) and (q or r) -> p";
    RULE_IN_LIBRARY = "P3016", "a rule in an imported file",
        "`import` brings names: pools, ladders, splits, attributes, conditions. A rule in an imported \
         file would be one that nobody carries out, so it is refused. `delegate` hands requests to a \
         file with all its rules.",
        "deny x when key.tier == free because \"…\"",
        "delegate team when key.team == \"search\" to \"teams/search.policy\"";
    CONDITIONS_TOO_LARGE = "P3017", "the conditions of a policy are too large",
        "Wherever a `let` is named, what it stands for is looked at anew, so a few short lines can \
         stand for a condition of any size. With all `let`s written out, a policy may have 250,000 \
         tests and listed texts.",
        "let a1 = a0 and a0\nlet a2 = a1 and a1\nand so on, forty times",
        "let a1 = a0";
    TOO_MANY_CASES = "P3018", "a policy with too many cases",
        "The conditions of all rules are looked up in one table, and proved things about. Together they \
         may have 20,000 cases, and ask about 500 different patterns (`like`, `matches`), elements of \
         sets (`has`), attributes that are absent and schedules. Names behind `==` and `in` do not \
         count as patterns.",
        "a thousand routes, each with a pattern of its own: key.team like \"search-1-*\"",
        "route search when key.meta[\"group\"] in [\"search-1\", \"search-2\"] -> p";
    NOT_YET = "P3900", "not supported by this version",
        "The statement is part of the language and was checked, but this version cannot carry it \
         out. It is refused, because a rule that is accepted and ignored is worse than none.",
        "budget b $5 per day per user.id { at 100% deny }",
        "defaults { cap $0.05 per request else deny \"Too expensive\" }";
    NEVER_MATCHES = "P4001", "a rule that can never match",
        "Every request that would match is stopped before: by routes above, or by a `deny`. The message \
         names them. Move the rule up, narrow the others, or remove it.",
        "route code when task == code -> p\nroute pro-code when task == code and key.tier == pro -> q",
        "route pro-code when task == code and key.tier == pro -> q\nroute code when task == code -> p";
    ALWAYS_FALSE = "P4002", "a condition that is false on its own",
        "No value fits all of the condition, whatever stands around the rule.",
        "route x when input.tokens < 1k and input.tokens > 2k -> p",
        "route x when input.tokens < 1k or input.tokens > 2k -> p";
    DEAD_PART = "P4003", "a part of a condition that changes nothing",
        "A branch of an `or`, or an element of a list, lets nobody in that the rest does not let in \
         already; or a part is always true. What a `let` names is told only where no use needs it.",
        "route x when task == code or task in [code, math] -> p",
        "route x when task in [code, math] -> p";
    GAP = "P4004", "a request falls through",
        "Every request gets an answer. There is no `default`, and the routes do not take all requests; \
         the message shows one that no route takes. In a delegated file no `default` is needed: control \
         returns to the policy.",
        "route code when task == code -> p\nroute rest when task == chat -> q",
        "route code when task == code -> p\nroute rest when task != code -> q";
    NO_MODEL_LEFT = "P4005", "a route that can end with no model",
        "For some requests all models of the route are removed: by `require`, `only` and `floor`, or \
         because they lack what the request needs (only needs that the policy itself speaks of are \
         looked at). Health, keys and configured providers are not.",
        "route images when request.images > 0 -> text-only",
        "route images when request.images > 0 -> vision";
    TUNES_DISAGREE = "P4006", "two `tune`s overlap and disagree",
        "Where both match, the later one wins per key, and nobody sees it in either. Clamps do not \
         disagree: the tighter one holds.",
        "tune a when key.tier == pro { set temperature = 0 }\ntune b when task == code { set temperature = 1 }",
        "tune a when key.tier == pro and task != code { set temperature = 0 }\ntune b when task == code { set temperature = 1 }";
    NEVER_BITES = "P4007", "a bound that never bites, or always does",
        "A cap above every worst case, a condition on models that removes nobody or everybody, a budget \
         that counts no request: either it is not needed, or it is not what was meant.",
        "route x when task == code -> small { cap $900 per request else deny }",
        "route x when task == code -> small { cap $0.10 per request else deny }";
    REPLACED = "P4008", "named models are answered by others",
        "A client that names a model gets that model: that is what it pays for and tests with. A policy \
         may put another in its place, but has to say which: by name, by a pattern, or with `alias`. A \
         condition such as `request.model != \"auto\"` takes whatever clients may name.",
        "route cheap when request.model != \"auto\" -> small",
        "route named when request.model != \"auto\" -> requested";
    LEADS_BACK = "P4010", "a second chance that is none",
        "Ladders and splits must not lead back to themselves. A fallback or a degrade to models that were \
         asked already, or a step that repeats another, helps nobody.",
        "default -> small { fallback small on any }",
        "default -> small { fallback large on any }";
    UNUSED = "P4011", "nothing needs this",
        "A pool, ladder or split that no request can come to, a model that every route removes, a \
         condition, schedule, enum or attribute that nothing uses.",
        "pool old = [sim/tiny]\npool p = [sim/small]\ndefault -> p",
        "pool p = [sim/small]\ndefault -> p";
    EMPTY_ARM = "P4012", "an arm with 0 %",
        "Nobody is dealt to it. Shares that do not sum to 100 % are P3004.",
        "split s { 0% -> a; rest -> b }",
        "split s { 1% -> a; rest -> b }";
    LATE_CHECK = "P4013", "a check that comes too late",
        "A check that needs the whole answer cannot reject what the client of a stream has seen \
         already. Hold the stream back, or ask only without a stream.",
        "ladder l { step a -> p escalate when invalid_json; step b -> q }",
        "ladder l { hold full; step a -> p escalate when invalid_json; step b -> q }";
    RETIRES = "P4014", "a model that is switched off soon",
        "The provider retires a model that the policy names within 30 days, or has done so.",
        "default -> a/old",
        "default -> a/new";
    BROKEN = "P5001", "a promise that does not hold",
        "An invariant is proved for all requests, over all files of the policy. The message shows a \
         request that breaks it, the route that takes it, and the pool that gives the model.",
        "route x when task == code -> large\ninvariant cheap { every model where price.output <= $1/Mtok }",
        "require cheap only models where price.output <= $1/Mtok";
    UNDECIDED = "P5002", "a promise that was neither proved nor refuted",
        "Regular expressions and live figures are opaque to proofs, and a search may be given up. A \
         promise that was not proved counts as broken.",
        "route x when key.name matches /^svc-/ and key.name matches /-prod$/ -> large\n\
         invariant cheap when key.name == \"web\" or key.name like \"dev-*\" {\n  \
           every model where price.output <= $1/Mtok\n}",
        "route x when key.name like \"svc-*-prod\" -> large\n\
         invariant cheap when key.name == \"web\" or key.name like \"dev-*\" {\n  \
           every model where price.output <= $1/Mtok\n}";
    NAMED_MODELS = "P5003", "a promise that clients who name a model can get round",
        "Routes take only requests that leave the choice to the policy. A client that names a model gets \
         that model; only `deny` and `require` hold for it.",
        "invariant cheap when key.tier == free { every model where price.output <= $1/Mtok }",
        "require cheap when key.tier == free only models where price.output <= $1/Mtok";
    EXPECTATION = "P6001", "a test got something else than it expects",
        "A test is one request: what is `given`, and the rest as in a plain request (a short chat of a \
         production key, model `auto`, everything healthy). The message says what came of it and why, \
         attempt by attempt. Either the policy does not do what was meant, or the test does not say it.",
        "test \"short questions are cheap\" {\n  given input.tokens = 3k\n  expect route == quick\n}",
        "test \"short questions are cheap\" {\n  given input.tokens = 1k\n  expect route == quick\n}";
    ATTEMPT_NEVER_MADE = "P6002", "a scripted attempt is never made",
        "`attempt 2 …` says how the second attempt ends, but the plan was over before: the first \
         answer was taken, an error was none that anybody else is asked on, or the request was denied.",
        "attempt 1 ok\nattempt 2 refused",
        "attempt 1 refused\nattempt 2 ok";
    CONTRADICTION = "P6003", "a test contradicts itself or the policy",
        "The request of this test cannot be: it gives one attribute two values, or a value outside of \
         its bounds, or an attempt outlasts its clock, or it breaks an `assume`. What such a test \
         shows says nothing about requests that can be.",
        "given time.hour = 3, time = \"2026-09-14T10:00:00Z\"",
        "given time = \"2026-09-14T03:00:00Z\"";
    TEST_WITHOUT_EXPECTATION = "P6004", "a test expects nothing",
        "A test without `expect` can never fail, so it only looks like a safeguard.",
        "test \"free users\" { given key.tier = free }",
        "test \"free users\" { given key.tier = free; expect every model in small }";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_in_range() {
        for pair in PAGES.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} before {}", pair[0].code, pair[1].code);
        }
        for page in PAGES {
            let code = page.code.0;
            assert!(code.len() == 5 && code.starts_with('P'), "{code}");
            assert!(matches!(&code[1..2], "0" | "1" | "2" | "3" | "4" | "5" | "6"), "{code}");
            assert!(code[1..].bytes().all(|b| b.is_ascii_digit()), "{code}");
        }
    }

    #[test]
    fn pages_say_something_and_are_found() {
        for each in PAGES {
            assert!(each.explanation.len() > 30 && each.bad != each.good, "{}", each.code);
            assert_eq!(page(&each.code.0.to_lowercase()), Some(each));
        }
        assert_eq!(page("P9999"), None);
    }
}
