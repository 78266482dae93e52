//! The one tree of a policy: what the parser yields, the checker reads and the formatter prints.
//!
//! Every node that a message can point at carries its [`Span`]; spans, spellings and comments are
//! ignored by equality, so two files that mean the same are equal however they are laid out.

use crate::units::{BasisPoints, NanoDollars};

/// A range of bytes in the source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// From the first byte of `self` to the last of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end }
    }
    /// As a range for slicing.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A node with its place. Equality looks at the node alone.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    /// The node.
    pub node: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A node at a place.
    pub fn new(node: T, span: Span) -> Self {
        Self { node, span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

/// A word: the name of a pool, a directive's operand, an enum member.
pub type Name = Spanned<String>;
/// A quoted text, unescaped.
pub type Text = Spanned<String>;

/// What the formatter must keep that has no meaning.
#[derive(Debug, Clone, Default)]
pub struct Trivia {
    /// A blank line stood before it (and before its comments).
    pub blank_before: bool,
    /// Whole-line comments before it, without the `#`s' indentation but with the `#`; an empty
    /// string is a blank line between or after them.
    pub before: Vec<String>,
    /// A comment behind it on its last line.
    pub after: Option<String>,
}

/// One item or one line of a block, with its comments.
#[derive(Debug, Clone)]
pub struct Line<T> {
    /// The item or statement.
    pub node: T,
    /// Its whole text, without comments.
    pub span: Span,
    /// Comments and blank lines around it.
    pub trivia: Trivia,
}

impl<T: PartialEq> PartialEq for Line<T> {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

/// The lines between `{` and `}`.
#[derive(Debug, Clone)]
pub struct Block<T> {
    /// The lines, in order.
    pub lines: Vec<Line<T>>,
    /// Comments after the last line; an empty string is a blank line.
    pub tail: Vec<String>,
}

impl<T: PartialEq> PartialEq for Block<T> {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

/// A whole policy file.
#[derive(Debug, Clone)]
pub struct File {
    /// The statements, in order.
    pub items: Vec<Line<Item>>,
    /// Comments after the last item; an empty string is a blank line.
    pub tail: Vec<String>,
}

impl File {
    /// A file without statements.
    pub fn empty() -> File {
        File { items: Vec::new(), tail: Vec::new() }
    }
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

/// A top-level statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `language 1`
    Language(Spanned<u64>),
    /// `import "shared/pools.policy" as shared`
    Import {
        /// The file.
        path: Text,
        /// The prefix its names get.
        alias: Option<Name>,
    },
    /// `enum tier = free | pro`
    Enum {
        /// Its name.
        name: Name,
        /// Its members.
        members: Vec<Name>,
    },
    /// `attribute key.tier: tier from key.meta["plan"] else free`
    Attribute {
        /// The attribute that is declared.
        attr: AttrPath,
        /// Its type.
        ty: Spanned<TypeExpr>,
        /// Where its value comes from.
        source: Option<Source>,
        /// What it is when the source has none, or an impossible one.
        default: Option<Value>,
    },
    /// `let heavy = input.tokens > 32k`
    Let {
        /// Its name.
        name: Name,
        /// What the name stands for.
        body: LetBody,
    },
    /// `schedule office = mon..fri 08:00..19:00 Europe/Berlin`
    Schedule(Schedule),
    /// `assume not (a and b)`
    Assume(Cond),
    /// `pool small = [..] pick cheapest`
    Pool {
        /// Its name.
        name: Name,
        /// Its members.
        set: SetExpr,
        /// The order of its members; `pick first` if unsaid.
        pick: Option<Pick>,
    },
    /// `ladder cheap-first { .. }`
    Ladder {
        /// Its name.
        name: Name,
        /// Steps and settings.
        rungs: Block<Rung>,
    },
    /// `split canary by user.id { .. }`
    Split {
        /// Its name.
        name: Name,
        /// What keeps a caller in its arm.
        by: Option<By>,
        /// The arms.
        arms: Block<Arm>,
    },
    /// `experiment flash by user.id { .. }`
    Experiment {
        /// Its name.
        name: Name,
        /// What keeps a caller in its arm.
        by: By,
        /// Arms, metrics, guards, ramps.
        lines: Block<ExperimentLine>,
    },
    /// `budget team-month $2_000 per month per key.team { .. }`
    Budget {
        /// Its name.
        name: Name,
        /// How much.
        amount: Spanned<Literal>,
        /// Per which time.
        period: Name,
        /// Per whom.
        per: AttrPath,
        /// Which requests it counts.
        when: Option<Cond>,
        /// What happens at which share.
        marks: Block<Mark>,
    },
    /// `limit fair 40 concurrent per key.team else queue 15s`
    Limit {
        /// Its name.
        name: Name,
        /// How much.
        amount: LimitAmount,
        /// Per whom.
        per: AttrPath,
        /// Which requests it counts.
        when: Option<Cond>,
        /// What happens above it.
        breach: Breach,
    },
    /// `deny frozen when .. because ".." status 403`
    Deny {
        /// Its name.
        name: Name,
        /// Whom it denies.
        when: Cond,
        /// What they are told.
        because: Text,
        /// The HTTP status; 403 if unsaid.
        status: Option<Spanned<u64>>,
    },
    /// `require eu when .. only models where ..`
    Require {
        /// Its name.
        name: Name,
        /// For whom; everyone if unsaid.
        when: Option<Cond>,
        /// The condition on models.
        only: Cond,
    },
    /// `defaults { .. }`
    Defaults(Block<Stmt>),
    /// `tune nights when .. { .. }`
    Tune {
        /// Its name.
        name: Name,
        /// For whom.
        when: Cond,
        /// Which settings.
        body: Block<Stmt>,
    },
    /// `route code when task == code -> large { .. }`
    Route {
        /// Its name.
        name: Name,
        /// Whom it takes.
        when: Cond,
        /// Where they go.
        to: Target,
        /// Settings.
        body: Option<Block<Stmt>>,
    },
    /// `default -> small`
    Default {
        /// Where everyone else goes.
        to: Target,
        /// Settings.
        body: Option<Block<Stmt>>,
    },
    /// `delegate search when .. to "teams/search.policy"`
    Delegate {
        /// Its name.
        name: Name,
        /// Whom it hands over.
        when: Cond,
        /// The other file.
        to: Text,
    },
    /// `alias "gpt-4" -> openai/gpt-5-mini`
    Alias {
        /// The model as clients name it.
        from: Text,
        /// What answers instead.
        to: Target,
    },
    /// `invariant cheap when .. { .. }`
    Invariant {
        /// Its name.
        name: Name,
        /// For whom it holds.
        when: Option<Cond>,
        /// What holds.
        claims: Block<Claim>,
    },
    /// `test "name" { .. }`
    Test {
        /// Its name.
        name: Text,
        /// Given, attempts, expectations.
        lines: Block<TestLine>,
    },
}

/// An attribute as written: `key.meta["plan"]`.
#[derive(Debug, Clone)]
pub struct AttrPath {
    /// Words and indices, in order; the first is a word.
    pub parts: Vec<AttrPart>,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for AttrPath {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

/// A piece of an attribute's path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AttrPart {
    /// `.word` (or the first word).
    Word(String),
    /// `["text"]`
    Index(String),
}

impl AttrPath {
    /// The path as a plain name, `heavy` or `shared.heavy`; `None` if it has an index.
    pub fn as_name(&self) -> Option<String> {
        let words: Option<Vec<&str>> = self
            .parts
            .iter()
            .map(|part| match part {
                AttrPart::Word(word) => Some(word.as_str()),
                AttrPart::Index(_) => None,
            })
            .collect();
        words.map(|words| words.join("."))
    }
}

impl std::fmt::Display for AttrPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, part) in self.parts.iter().enumerate() {
            match part {
                AttrPart::Word(word) if i == 0 => write!(f, "{word}")?,
                AttrPart::Word(word) => write!(f, ".{word}")?,
                AttrPart::Index(text) => write!(f, "[{text:?}]")?,
            }
        }
        Ok(())
    }
}

/// A type as written.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeExpr {
    /// `bool`, or `float 0..1`.
    Scalar {
        /// The word.
        name: String,
        /// Its bounds.
        range: Option<Range>,
    },
    /// `enum any | eu | us`
    Enum(Vec<Name>),
    /// The name of an `enum` statement.
    Named(String),
}

/// Where a declared attribute's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// `script "risk.rhai" { max_ops 20_000 }`
    Script(Text, Vec<Knob>),
    /// `classifier "topic-v2" { timeout 30ms }`
    Classifier(Text, Vec<Knob>),
    /// `header "x-residency"`
    Header(Text),
    /// `key.meta["plan"]`, `tag["plan"]`
    Attr(AttrPath),
}

/// A setting of a script or a classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Knob {
    /// Which.
    pub name: Name,
    /// Its value.
    pub value: Spanned<Literal>,
}

/// What a `let` names.
#[derive(Debug, Clone, PartialEq)]
pub enum LetBody {
    /// A list of values.
    List(Spanned<Vec<Value>>),
    /// A condition.
    Cond(Cond),
}

/// `schedule office = mon..fri 08:00..19:00 Europe/Berlin`
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: Name,
    /// The first day (or `daily`).
    pub from: Name,
    /// The last day.
    pub to: Option<Name>,
    /// Opening and closing time; the whole day if unsaid.
    pub hours: Option<(Spanned<Literal>, Spanned<Literal>)>,
    /// The IANA time zone.
    pub zone: Name,
}

/// A constant, with its spelling for the formatter.
#[derive(Debug, Clone)]
pub struct Literal {
    /// What it is.
    pub value: LiteralValue,
    /// How it was written: `8k`, `$2_000`.
    pub raw: String,
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// The value of a constant.
#[derive(Debug, Clone, PartialEq)]
pub enum LiteralValue {
    /// `true`
    Bool(bool),
    /// `12`, `8k`, `4Ki`: a whole number.
    Int(i64),
    /// `0.72`
    Float(f64),
    /// `8k tokens`
    Tokens(i64),
    /// `$0.02`
    Money(NanoDollars),
    /// `$3/Mtok`: the amount as written and the unit's spelling.
    Price(NanoDollars, PriceUnit),
    /// `5%`
    Percent(BasisPoints),
    /// `250ms`, in nanoseconds.
    Duration(i64),
    /// `512KiB`
    Bytes(i64),
    /// `60/min`, `200k tokens/min`: count, whether of tokens, seconds of the period.
    Rate {
        /// How many.
        count: i64,
        /// Of tokens instead of requests.
        tokens: bool,
        /// Per how many seconds.
        seconds: i64,
    },
    /// `"text"`, unescaped.
    String(String),
    /// `09:00`, in minutes after midnight.
    Clock(u16),
    /// `2026-09-01`
    Date(jiff::civil::Date),
}

/// Per what a price is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PriceUnit {
    /// Per million tokens. (`/ktok` is read as a thousand times that.)
    Mtok,
    /// Per image.
    Image,
    /// Per request.
    Request,
    /// Per minute of sound.
    Minute,
}

/// An operand of a condition: a constant, or a name whose meaning the checker finds.
#[derive(Debug, Clone)]
pub struct Value {
    /// What it is.
    pub kind: ValueKind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// See [`Value`].
#[derive(Debug, Clone, PartialEq)]
pub enum ValueKind {
    /// A constant.
    Literal(Literal),
    /// An enum member, a `let` list, a schedule: `free`, `shared.cheap`.
    Name(String),
}

/// `2k..8k`: from the first up to, but without, the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// Included.
    pub from: Spanned<Literal>,
    /// Excluded.
    pub to: Spanned<Literal>,
}

/// A condition.
#[derive(Debug, Clone)]
pub struct Cond {
    /// What it says.
    pub kind: CondKind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Cond {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// See [`Cond`].
#[derive(Debug, Clone, PartialEq)]
pub enum CondKind {
    /// Two or more, one of which must hold.
    Or(Vec<Cond>),
    /// Two or more, all of which must hold.
    And(Vec<Cond>),
    /// `not …`
    Not(Box<Cond>),
    /// One attribute against constants. Without a test: a bare boolean, or the name of a `let`.
    Atom {
        /// The attribute (or a `let`'s name).
        attr: AttrPath,
        /// What is asked of it.
        test: Option<Test>,
    },
}

/// What a condition asks of its attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `>= 5`
    Compare(Spanned<CompareOp>, Value),
    /// `in [a, b]`, `in 2k..8k`, `in office`
    In {
        /// `not in`
        negated: bool,
        /// In what.
        set: Membership,
    },
    /// `is present`, `is not absent`
    Present(bool),
    /// `has "beta"`, `has any [..]`, `has all [..]`
    Has(HasKind, Vec<Value>),
    /// `like "gpt-5*"`, `like ["a*", "b*"]`
    Like(Vec<Text>),
    /// `matches /re/`: the pattern without its slashes.
    Matches(Text),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl CompareOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            CompareOp::Eq => "==",
            CompareOp::Ne => "!=",
            CompareOp::Lt => "<",
            CompareOp::Le => "<=",
            CompareOp::Gt => ">",
            CompareOp::Ge => ">=",
        }
    }
}

/// The right side of `in`.
#[derive(Debug, Clone, PartialEq)]
pub enum Membership {
    /// `2k..8k`
    Range(Range),
    /// `[a, b]`
    List(Spanned<Vec<Value>>),
    /// A schedule or a `let` list.
    Name(Name),
}

/// Which of the listed elements `has` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum HasKind {
    One,
    Any,
    All,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// See [`Target`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// `openai/gpt-5`
    Model(String),
    /// A pool, ladder, split, experiment, an imported name, or `requested`.
    Name(String),
}

/// `[a, b] plus c except d`
#[derive(Debug, Clone, PartialEq)]
pub struct SetExpr {
    /// The first term.
    pub first: Spanned<SetTerm>,
    /// What is added and taken away, left to right.
    pub rest: Vec<(SetOp, Spanned<SetTerm>)>,
}

/// How two sets of models are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SetOp {
    Plus,
    Except,
}

/// A set of models.
#[derive(Debug, Clone, PartialEq)]
pub enum SetTerm {
    /// `[openai/gpt-5, small]`
    List(Vec<Target>),
    /// `models`, `models where …`
    Models(Option<Cond>),
    /// The name of another pool.
    Name(String),
}

/// `pick best of 3`
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    /// By what.
    pub strategy: Spanned<PickStrategy>,
    /// Among how many of the best the load is spread.
    pub of: Option<Spanned<u64>>,
}

/// The order of a pool's models.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum PickStrategy {
    Cheapest,
    Fastest,
    Best,
    First,
    LeastBusy,
    RoundRobin,
    Script(Text, Vec<Knob>),
}

/// A line of a ladder.
// Nearly every line is a step: boxing it would cost more than the room it saves.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq)]
pub enum Rung {
    /// `step draft -> small escalate when failed`
    Step {
        /// Its name.
        name: Name,
        /// Where it asks.
        to: Target,
        /// When its answer is not taken.
        escalate: Option<Cond>,
        /// Settings of this step alone.
        body: Option<Block<Stmt>>,
    },
    /// `max_cost $0.05`
    MaxCost(Spanned<Literal>),
    /// `deadline 45s`
    Deadline(Spanned<Literal>),
    /// `hold full`
    Hold(Spanned<Hold>),
}

/// How much of a stream is kept back.
#[derive(Debug, Clone, PartialEq)]
pub enum Hold {
    /// Nothing.
    None,
    /// All of it.
    Full,
    /// Until this many tokens have come.
    Tokens(Literal),
    /// Until this much time has passed.
    For(Literal),
}

/// `by user.id, key.id salt "2026-09"`
#[derive(Debug, Clone, PartialEq)]
pub struct By {
    /// What is hashed.
    pub attrs: Vec<AttrPath>,
    /// Mixed into the hash.
    pub salt: Option<Text>,
}

/// A share of the traffic.
#[derive(Debug, Clone, PartialEq)]
pub enum Share {
    /// `5%`
    Percent(BasisPoints),
    /// What the others leave.
    Rest,
}

/// `5% -> candidate`, `new 5% -> candidate`
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Its name; the target's if unsaid.
    pub name: Option<Name>,
    /// How much it gets.
    pub share: Spanned<Share>,
    /// Where it goes.
    pub to: Target,
}

/// A line of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum ExperimentLine {
    /// `arm control rest -> control`
    Arm(Arm),
    /// `ramp next 1% .. 10% every 2d from 2026-09-01`
    Ramp {
        /// Which arm grows.
        arm: Name,
        /// Its shares, in order.
        shares: Vec<Spanned<Literal>>,
        /// How long each lasts.
        every: Spanned<Literal>,
        /// When it starts.
        from: Option<Spanned<Literal>>,
    },
    /// `metric cost, ttft.p95`
    Metric(Vec<Name>),
    /// `guard error_rate < 2% over 500 samples else halt to control`
    Guard {
        /// What must hold.
        cond: Cond,
        /// After how many requests it is asked.
        over: Option<Spanned<Literal>>,
        /// The arm that takes over.
        halt_to: Name,
    },
    /// `ends 2026-10-15 -> control`
    Ends {
        /// When.
        date: Spanned<Literal>,
        /// What answers from then on.
        to: Target,
    },
}

/// `at 95% degrade to small`
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// At which share.
    pub share: Spanned<Literal>,
    /// What happens.
    pub breach: Breach,
}

/// What a limit counts.
#[derive(Debug, Clone, PartialEq)]
pub enum LimitAmount {
    /// `60/min`
    Rate(Spanned<Literal>),
    /// `40 concurrent`
    Concurrent(Spanned<Literal>),
}

/// What happens when a budget, a limit or a cap is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Breach {
    /// Say so and go on.
    Warn,
    /// Use another target.
    Degrade(Target),
    /// Wait this long for room.
    Queue(Spanned<Literal>),
    /// Refuse, with these words.
    Deny(Option<Text>),
}

/// A line of a route's, step's, `tune`'s or `defaults`' body.
#[derive(Debug, Clone, PartialEq)]
pub enum Stmt {
    /// `only models where …`
    Only(Cond),
    /// `timeout total 60s, ttft 4s`
    Timeout(Vec<(Name, Spanned<Literal>)>),
    /// `retry 2 on rate_limited backoff 200ms..2s`
    Retry {
        /// How often at most.
        times: Spanned<u64>,
        /// On which error classes.
        on: Option<Vec<Name>>,
        /// The first and the longest wait.
        backoff: Option<(Spanned<Literal>, Option<Spanned<Literal>>)>,
    },
    /// `fallback fast, slow on timeout`
    Fallback {
        /// Where to, in order.
        to: Vec<Target>,
        /// On which error classes.
        on: Option<Vec<Name>>,
    },
    /// `hedge after 1500ms to fast max 1`
    Hedge {
        /// A duration, or a name such as `p95`.
        after: Value,
        /// Where the second copy goes.
        to: Target,
        /// How many copies.
        max: Option<Spanned<u64>>,
    },
    /// `cap $0.03 per request else degrade to fast`
    Cap {
        /// How much.
        amount: Spanned<Literal>,
        /// What happens when nothing costs less.
        breach: Breach,
    },
    /// `cache exact ttl 1h key [model, messages]`
    Cache(CacheStmt),
    /// `set temperature = 0.2`, `set max_output <= 2k`
    Set {
        /// Which parameter.
        param: Name,
        /// Replace, or clamp from above or below.
        op: SetParamOp,
        /// To what.
        value: Value,
    },
    /// `prompt prepend "…"`
    Prompt {
        /// Where it goes.
        place: PromptPlace,
        /// Whether `text` is the name of a file.
        from_file: bool,
        /// The text, or the file's name.
        text: Text,
    },
    /// `shadow 1% to fast`
    Shadow {
        /// How much of the traffic.
        share: Spanned<Literal>,
        /// Where the copy goes.
        to: Target,
    },
    /// `sticky by session.id for 30min`
    Sticky {
        /// By what.
        by: AttrPath,
        /// For how long.
        ttl: Spanned<Literal>,
    },
    /// `tag workload = chat`
    Tag {
        /// The label.
        name: Name,
        /// Its value.
        value: Value,
    },
    /// `floor quality >= 60`
    Floor {
        /// Which property of the model.
        attr: AttrPath,
        /// The least allowed.
        at_least: Spanned<Literal>,
    },
    /// `pick fastest`
    Pick(Pick),
    /// `log bodies off`
    Log {
        /// What.
        what: Name,
        /// How much of it.
        share: Spanned<LogShare>,
    },
    /// `hold full`
    Hold(Spanned<Hold>),
}

impl Stmt {
    /// Whether a step of a ladder may say it. A step speaks of its own attempts; what the request as a
    /// whole gets is said by its route.
    pub fn fits_step(&self) -> bool {
        matches!(
            self,
            Stmt::Only(_)
                | Stmt::Floor { .. }
                | Stmt::Timeout(_)
                | Stmt::Retry { .. }
                | Stmt::Set { .. }
                | Stmt::Prompt { .. }
                | Stmt::Pick(_)
        )
    }
}

/// See [`Stmt::Cache`].
#[derive(Debug, Clone, PartialEq)]
pub enum CacheStmt {
    /// `cache off`
    Off,
    /// `cache exact ttl 1h`, or with a similarity: `cache semantic 0.95 ttl 1h`.
    On {
        /// The least similarity of a semantic cache; `None` means exact.
        semantic: Option<Spanned<f64>>,
        /// How long an answer is kept.
        ttl: Spanned<Literal>,
        /// What must be equal; everything if unsaid.
        key: Option<Vec<Value>>,
    },
}

/// See [`Stmt::Set`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetParamOp {
    /// `=`
    Replace,
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
}

/// See [`Stmt::Prompt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PromptPlace {
    Prepend,
    Append,
    Replace,
}

/// See [`Stmt::Log`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogShare {
    /// All of it.
    On,
    /// None of it.
    Off,
    /// A sample.
    Percent(BasisPoints),
}

/// A line of an invariant.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// `every model where …`
    Models(Quantifier, Cond),
    /// `no shadow`
    NoShadow,
    /// `never denied`, `always denied`
    Denied {
        /// `always`, else `never`.
        always: bool,
    },
    /// `max_cost <= $0.05`
    Bound {
        /// `max_cost`, `max_attempts` or `max_latency`.
        what: Name,
        /// The most allowed.
        at_most: Spanned<Literal>,
    },
    /// `route in [a, b]`
    RouteIn(Spanned<Vec<Value>>),
}

/// How many models a claim speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Quantifier {
    Every,
    Some,
    No,
}

/// A line of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum TestLine {
    /// `given key.tier = pro, input.tokens = 12k`
    Given(Vec<Binding>),
    /// `attempt 1 refused after 2s`
    Attempt {
        /// Which attempt.
        number: Spanned<u64>,
        /// How it ends.
        outcome: Name,
        /// After how long.
        after: Option<Spanned<Literal>>,
    },
    /// `expect …`
    Expect(Expectation),
}

/// `key.tier = pro`
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Which attribute.
    pub attr: AttrPath,
    /// Its value, or its elements.
    pub value: BindingValue,
}

/// See [`Binding`].
#[derive(Debug, Clone, PartialEq)]
pub enum BindingValue {
    /// One value.
    One(Value),
    /// The elements of a set.
    List(Spanned<Vec<Value>>),
}

/// What a test expects.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// `expect every model in small`
    ModelsIn(Quantifier, Name),
    /// `expect some model where quality >= 80`
    ModelsWhere(Quantifier, Cond),
    /// `expect denied by frozen`
    Denied(Option<Name>),
    /// `expect answered by large`
    AnsweredBy(Target),
    /// `expect attempts == 2 and cost <= $0.10`
    Cond(Cond),
}
