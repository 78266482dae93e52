//! Trees of every shape, for the properties.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::tree::*;
use crate::units::{BasisPoints, NanoDollars};

fn at<T>(node: T) -> Spanned<T> {
    Spanned::new(node, Span::default())
}

fn line<T>(node: T) -> Line<T> {
    Line { node, span: Span::default(), trivia: Trivia::default() }
}

fn block<T: std::fmt::Debug + Clone + 'static>(
    each: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Block<T>> {
    vec((each, any::<bool>(), of("# [a-z \"#]{0,8}[a-z]"), of("# [a-z{]{1,8}")), 0..4)
        .prop_map(|lines| Block {
            lines: lines
                .into_iter()
                .map(|(node, blank_before, before, after)| {
                    let before = before.into_iter().collect();
                    let trivia = Trivia { blank_before, before, after };
                    Line { node, span: Span::default(), trivia }
                })
                .collect(),
            tail: vec![],
        })
        .boxed()
}

fn word() -> impl Strategy<Value = String> {
    const RESERVED: &[&str] = super::super::words::RESERVED;
    "[a-z_][a-z0-9_]{0,6}(-[a-z0-9]{1,4})?"
        .prop_filter("reserved", |word| !RESERVED.contains(&word.as_str()))
}

fn name() -> impl Strategy<Value = Name> {
    word().prop_map(at)
}

fn dotted() -> impl Strategy<Value = String> {
    vec(word(), 1..3).prop_map(|words| words.join("."))
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof!["[ -~]{0,12}", "(?s).{0,8}", "[a-z\"\n\\\\]{0,8}"].prop_map(at)
}

fn spelt(value: LiteralValue, raw: impl Into<String>) -> Literal {
    Literal { value, raw: raw.into() }
}

fn money() -> impl Strategy<Value = Spanned<Literal>> {
    any::<u64>().prop_map(|nanos| {
        let amount = NanoDollars(nanos);
        at(spelt(LiteralValue::Money(amount), format!("${amount}")))
    })
}

fn duration() -> impl Strategy<Value = Spanned<Literal>> {
    (0i64..1_000_000, select(vec![("us", 1_000), ("ms", 1_000_000), ("min", 60_000_000_000)]))
        .prop_map(|(count, (unit, factor))| {
            at(spelt(LiteralValue::Duration(count * factor), format!("{count}{unit}")))
        })
}

fn percent() -> impl Strategy<Value = Spanned<Literal>> {
    share().prop_map(|share| at(spelt(LiteralValue::Percent(share), share.to_string())))
}

fn share() -> impl Strategy<Value = BasisPoints> {
    (0u32..20_000).prop_map(BasisPoints)
}

fn tokens() -> impl Strategy<Value = Literal> {
    (0i64..1_000_000).prop_map(|n| spelt(LiteralValue::Tokens(n), format!("{n} tokens")))
}

fn rate() -> impl Strategy<Value = Spanned<Literal>> {
    (1i64..100_000, any::<bool>()).prop_map(|(count, tokens)| {
        let raw = format!("{count}{}/min", if tokens { " tokens" } else { "" });
        at(spelt(LiteralValue::Rate { count, tokens, seconds: 60 }, raw))
    })
}

fn date() -> impl Strategy<Value = Spanned<Literal>> {
    (1970i16..2100, 1i8..=12, 1i8..=28).prop_map(|(year, month, day)| {
        let date = jiff::civil::date(year, month, day);
        at(spelt(LiteralValue::Date(date), date.to_string()))
    })
}

fn clock() -> impl Strategy<Value = Spanned<Literal>> {
    (0u16..1440).prop_map(|minute| {
        let raw = format!("{:02}:{:02}", minute / 60, minute % 60);
        at(spelt(LiteralValue::Clock(minute), raw))
    })
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<bool>().prop_map(|b| spelt(LiteralValue::Bool(b), b.to_string())),
        (-i64::MAX..=i64::MAX).prop_map(|n| spelt(LiteralValue::Int(n), n.to_string())),
        (-1000i64..1000).prop_map(|n| spelt(LiteralValue::Int(n * 1_000), format!("{n}k"))),
        (0u32..1_000_000).prop_map(|n| {
            let raw = format!("{}.{:03}", n / 1000, n % 1000);
            spelt(LiteralValue::Float(raw.parse().unwrap()), raw)
        }),
        tokens(),
        money().prop_map(|money| money.node),
        any::<u64>().prop_map(|nanos| {
            let amount = NanoDollars(nanos);
            spelt(LiteralValue::Price(amount, PriceUnit::Mtok), format!("${amount}/Mtok"))
        }),
        percent().prop_map(|percent| percent.node),
        duration().prop_map(|duration| duration.node),
        (0i64..1 << 40).prop_map(|n| spelt(LiteralValue::Bytes(n * 1024), format!("{n}KiB"))),
        rate().prop_map(|rate| rate.node),
        date().prop_map(|date| date.node),
        clock().prop_map(|clock| clock.node),
        // Without a spelling the formatter finds one.
        text().prop_map(|text| spelt(LiteralValue::String(text.node), "")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let kind =
        prop_oneof![literal().prop_map(ValueKind::Literal), dotted().prop_map(ValueKind::Name)];
    kind.prop_map(|kind| Value { kind, span: Span::default() })
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    vec(value(), 0..6)
}

fn attr() -> impl Strategy<Value = AttrPath> {
    let part = prop_oneof![
        3 => word().prop_map(AttrPart::Word),
        1 => text().prop_map(|text| AttrPart::Index(text.node)),
    ];
    (word(), vec(part, 0..3)).prop_map(|(first, rest)| {
        let parts = std::iter::once(AttrPart::Word(first)).chain(rest).collect();
        AttrPath { parts, span: Span::default() }
    })
}

fn cond() -> BoxedStrategy<Cond> {
    use CompareOp::*;
    let op = select(vec![Eq, Ne, Lt, Le, Gt, Ge]);
    let range = (literal(), literal())
        .prop_filter("texts have no order", |(from, to)| !from.raw.is_empty() && !to.raw.is_empty())
        .prop_map(|(from, to)| Membership::Range(Range { from: at(from), to: at(to) }));
    let set = prop_oneof![
        range,
        values().prop_map(|values| Membership::List(at(values))),
        dotted().prop_map(|name| Membership::Name(at(name))),
    ];
    let test = prop_oneof![
        (op, value()).prop_map(|(op, value)| Test::Compare(at(op), value)),
        (any::<bool>(), set).prop_map(|(negated, set)| Test::In { negated, set }),
        any::<bool>().prop_map(Test::Present),
        value().prop_map(|value| Test::Has(HasKind::One, vec![value])),
        values().prop_map(|values| Test::Has(HasKind::Any, values)),
        values().prop_map(|values| Test::Has(HasKind::All, values)),
        vec(text(), 0..3).prop_map(Test::Like),
        r"([a-z/#\[\]]|\\[dw.])([a-z/#\[\]]|\\[dw.]){0,6}".prop_map(|re| Test::Matches(at(re))),
    ];
    let kind = (attr(), of(test)).prop_map(|(attr, test)| CondKind::Atom { attr, test });
    let span = |kind| Cond { kind, span: Span::default() };
    let atom = kind.prop_map(span).boxed();
    atom.prop_recursive(4, 16, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(CondKind::And),
            vec(inner.clone(), 2..4).prop_map(CondKind::Or),
            inner.prop_map(|inner| CondKind::Not(Box::new(inner))),
        ]
        .prop_map(span)
    })
    .boxed()
}

fn target() -> impl Strategy<Value = Target> {
    let model = "[a-z]{1,5}/[a-z0-9]{1,4}(-[0-9]\\.[0-9])?(:[a-z0-9]{1,3})?(/[a-z]{1,3})?"
        .prop_filter("reserved", |model| {
            let first = model.split('/').next().unwrap_or_default();
            !super::super::words::RESERVED.contains(&first)
        });
    let kind = prop_oneof![model.prop_map(TargetKind::Model), dotted().prop_map(TargetKind::Name)];
    kind.prop_map(|kind| Target { kind, span: Span::default() })
}

fn knobs() -> impl Strategy<Value = Vec<Knob>> {
    vec((name(), literal()).prop_map(|(name, value)| Knob { name, value: at(value) }), 0..3)
}

fn pick() -> impl Strategy<Value = Pick> {
    use PickStrategy::*;
    let plain = select(vec![Cheapest, Fastest, Best, First, LeastBusy, RoundRobin]);
    let script = (text(), knobs()).prop_map(|(file, knobs)| Script(file, knobs));
    (prop_oneof![3 => plain, 1 => script], of(any::<u64>()))
        .prop_map(|(strategy, of)| Pick { strategy: at(strategy), of: of.map(at) })
}

fn breach() -> impl Strategy<Value = Breach> {
    prop_oneof![
        Just(Breach::Warn),
        target().prop_map(Breach::Degrade),
        duration().prop_map(Breach::Queue),
        of(text()).prop_map(Breach::Deny),
    ]
}

fn hold() -> impl Strategy<Value = Spanned<Hold>> {
    prop_oneof![
        Just(Hold::None),
        Just(Hold::Full),
        tokens().prop_map(Hold::Tokens),
        duration().prop_map(|time| Hold::For(time.node)),
    ]
    .prop_map(at)
}

fn stmt() -> BoxedStrategy<Stmt> {
    let names = || vec(name(), 1..4);
    let place = select(vec![PromptPlace::Prepend, PromptPlace::Append, PromptPlace::Replace]);
    let op = select(vec![SetParamOp::Replace, SetParamOp::AtMost, SetParamOp::AtLeast]);
    let after = prop_oneof![
        duration().prop_map(|time| ValueKind::Literal(time.node)),
        word().prop_map(ValueKind::Name),
    ]
    .prop_map(|kind| Value { kind, span: Span::default() });
    let log =
        prop_oneof![Just(LogShare::On), Just(LogShare::Off), share().prop_map(LogShare::Percent)];
    prop_oneof![
        cond().prop_map(Stmt::Only),
        vec((name(), duration()), 1..4).prop_map(Stmt::Timeout),
        (any::<u64>(), of(names()), of((duration(), of(duration()))))
            .prop_map(|(times, on, backoff)| Stmt::Retry { times: at(times), on, backoff }),
        (vec(target(), 1..4), of(names())).prop_map(|(to, on)| Stmt::Fallback { to, on }),
        (after, target(), of(any::<u64>())).prop_map(|(after, to, max)| Stmt::Hedge {
            after,
            to,
            max: max.map(at)
        }),
        (money(), breach()).prop_map(|(amount, breach)| Stmt::Cap { amount, breach }),
        Just(Stmt::Cache(CacheStmt::Off)),
        (of(0u32..1000), duration(), of(values())).prop_map(|(semantic, ttl, key)| {
            let semantic = semantic.map(|n| at(f64::from(n) / 1000.0));
            Stmt::Cache(CacheStmt::On { semantic, ttl, key })
        }),
        (name(), op, value()).prop_map(|(param, op, value)| Stmt::Set { param, op, value }),
        (place, any::<bool>(), text()).prop_map(|(place, from_file, text)| Stmt::Prompt {
            place,
            from_file,
            text
        }),
        (percent(), target()).prop_map(|(share, to)| Stmt::Shadow { share, to }),
        (attr(), duration()).prop_map(|(by, ttl)| Stmt::Sticky { by, ttl }),
        (name(), value()).prop_map(|(name, value)| Stmt::Tag { name, value }),
        (attr(), literal()).prop_map(|(attr, least)| Stmt::Floor { attr, at_least: at(least) }),
        pick().prop_map(Stmt::Pick),
        (name(), log).prop_map(|(what, share)| Stmt::Log { what, share: at(share) }),
        hold().prop_map(Stmt::Hold),
    ]
    .boxed()
}

fn rung() -> BoxedStrategy<Rung> {
    prop_oneof![
        (name(), target(), of(cond()), of(block(stmt())))
            .prop_map(|(name, to, escalate, body)| Rung::Step { name, to, escalate, body }),
        money().prop_map(Rung::MaxCost),
        duration().prop_map(Rung::Deadline),
        hold().prop_map(Rung::Hold),
    ]
    .boxed()
}

fn arm(named: bool) -> BoxedStrategy<Arm> {
    let share = prop_oneof![share().prop_map(Share::Percent), Just(Share::Rest)];
    let name = word().prop_filter("`rest` is a share", |word| word != "rest").prop_map(at).boxed();
    (of(name.clone()), name, share, target())
        .prop_map(move |(maybe, name, share, to)| {
            let name = if named { Some(name) } else { maybe };
            Arm { name, share: at(share), to }
        })
        .boxed()
}

fn by() -> impl Strategy<Value = By> {
    (vec(attr(), 1..3), of(text())).prop_map(|(attrs, salt)| By { attrs, salt })
}

fn trial() -> BoxedStrategy<ExperimentLine> {
    let over = (0i64..100_000).prop_map(|n| at(spelt(LiteralValue::Int(n), n.to_string())));
    prop_oneof![
        arm(true).prop_map(ExperimentLine::Arm),
        (name(), vec(percent(), 2..5), duration(), of(date())).prop_map(
            |(arm, shares, every, from)| ExperimentLine::Ramp { arm, shares, every, from }
        ),
        vec(dotted().prop_map(at), 1..4).prop_map(ExperimentLine::Metric),
        (cond(), of(over), name()).prop_map(|(cond, over, halt_to)| ExperimentLine::Guard {
            cond,
            over,
            halt_to
        }),
        (date(), target()).prop_map(|(date, to)| ExperimentLine::Ends { date, to }),
    ]
    .boxed()
}

fn quantifier() -> impl Strategy<Value = Quantifier> {
    select(vec![Quantifier::Every, Quantifier::Some, Quantifier::No])
}

fn claim() -> BoxedStrategy<Claim> {
    let bound = select(vec!["max_cost", "max_attempts", "max_latency"]);
    prop_oneof![
        (quantifier(), cond()).prop_map(|(how_many, cond)| Claim::Models(how_many, cond)),
        Just(Claim::NoShadow),
        any::<bool>().prop_map(|always| Claim::Denied { always }),
        (bound, literal())
            .prop_map(|(what, most)| Claim::Bound { what: at(what.to_owned()), at_most: at(most) }),
        values().prop_map(|routes| Claim::RouteIn(at(routes))),
    ]
    .boxed()
}

fn probe() -> BoxedStrategy<TestLine> {
    let bound = prop_oneof![
        value().prop_map(BindingValue::One),
        values().prop_map(|values| BindingValue::List(at(values))),
    ];
    let binding = (attr(), bound).prop_map(|(attr, value)| Binding { attr, value });
    // An attribute of one of these names is read as the word of that expectation.
    let plain = |cond: &Cond| {
        let words = ["every", "some", "no", "denied", "answered"];
        !words.iter().any(|word| format!("{cond:?}").contains(&format!("\"{word}\"")))
    };
    let expectation = prop_oneof![
        (quantifier(), dotted()).prop_map(|(q, pool)| Expectation::ModelsIn(q, at(pool))),
        (quantifier(), cond()).prop_map(|(q, cond)| Expectation::ModelsWhere(q, cond)),
        of(name()).prop_map(Expectation::Denied),
        target().prop_map(Expectation::AnsweredBy),
        cond().prop_filter("a word", plain).prop_map(Expectation::Cond),
    ];
    prop_oneof![
        vec(binding, 1..4).prop_map(TestLine::Given),
        (any::<u64>(), name(), of(duration())).prop_map(|(number, outcome, after)| {
            TestLine::Attempt { number: at(number), outcome, after }
        }),
        expectation.prop_map(TestLine::Expect),
    ]
    .boxed()
}

fn declaration() -> BoxedStrategy<Item> {
    let names = || vec(name(), 1..5);
    let range = (literal(), literal())
        .prop_filter("texts have no order", |(from, to)| !from.raw.is_empty() && !to.raw.is_empty())
        .prop_map(|(from, to)| Range { from: at(from), to: at(to) });
    let scalars = vec!["bool", "int", "float", "string", "money", "tokens", "duration", "percent"];
    let scalar = (select(scalars), of(range))
        .prop_map(|(name, range)| TypeExpr::Scalar { name: name.to_owned(), range });
    let no_scalar = |word: &String| !["bool", "int", "set", "time", "enum"].contains(&&**word);
    let ty = prop_oneof![
        scalar,
        names().prop_map(TypeExpr::Enum),
        word().prop_filter("a type", no_scalar).prop_map(TypeExpr::Named),
    ];
    let source = prop_oneof![
        (text(), knobs()).prop_map(|(file, knobs)| Source::Script(file, knobs)),
        (text(), knobs()).prop_map(|(name, knobs)| Source::Classifier(name, knobs)),
        text().prop_map(Source::Header),
        attr().prop_map(Source::Attr),
    ];
    let schedule =
        (name(), name(), of(name()), of((clock(), clock()))).prop_map(|(name, from, to, hours)| {
            let zone = at("Europe/Berlin".to_owned());
            Item::Schedule(Schedule { name, from, to, hours, zone })
        });
    let term = || {
        prop_oneof![
            vec(target(), 1..5).prop_map(SetTerm::List),
            of(cond()).prop_map(SetTerm::Models),
            dotted().prop_filter("a keyword", |n| n != "models").prop_map(SetTerm::Name),
        ]
        .prop_map(at)
    };
    let op = select(vec![SetOp::Plus, SetOp::Except]);
    let set = (term(), vec((op, term()), 0..3)).prop_map(|(first, rest)| SetExpr { first, rest });
    prop_oneof![
        any::<u64>().prop_map(|version| Item::Language(at(version))),
        (text(), of(name())).prop_map(|(path, alias)| Item::Import { path, alias }),
        (name(), names()).prop_map(|(name, members)| Item::Enum { name, members }),
        (attr(), ty, of(source), of(value())).prop_map(|(attr, ty, source, default)| {
            Item::Attribute { attr, ty: at(ty), source, default }
        }),
        (name(), values())
            .prop_map(|(name, values)| Item::Let { name, body: LetBody::List(at(values)) }),
        (name(), cond()).prop_map(|(name, cond)| Item::Let { name, body: LetBody::Cond(cond) }),
        schedule,
        cond().prop_map(Item::Assume),
        (name(), set, of(pick())).prop_map(|(name, set, pick)| Item::Pool { name, set, pick }),
    ]
    .boxed()
}

fn rule() -> BoxedStrategy<Item> {
    let amount = prop_oneof![
        rate().prop_map(LimitAmount::Rate),
        (0i64..1000).prop_map(|n| {
            LimitAmount::Concurrent(at(spelt(LiteralValue::Int(n), n.to_string())))
        }),
    ];
    let mark = (percent(), breach()).prop_map(|(share, breach)| Mark { share, breach });
    let period = select(vec!["day", "month"]).prop_map(|word| at(word.to_owned()));
    prop_oneof![
        (name(), block(rung())).prop_map(|(name, rungs)| Item::Ladder { name, rungs }),
        (name(), of(by()), block(arm(false))).prop_map(|(name, by, arms)| Item::Split {
            name,
            by,
            arms
        }),
        (name(), by(), block(trial())).prop_map(|(name, by, lines)| Item::Experiment {
            name,
            by,
            lines
        }),
        (name(), money(), period, attr(), of(cond()), block(mark)).prop_map(
            |(name, amount, period, per, when, marks)| {
                Item::Budget { name, amount, period, per, when, marks }
            }
        ),
        (name(), amount, attr(), of(cond()), breach()).prop_map(
            |(name, amount, per, when, breach)| Item::Limit { name, amount, per, when, breach }
        ),
        (name(), cond(), text(), of(any::<u64>())).prop_map(|(name, when, because, status)| {
            Item::Deny { name, when, because, status: status.map(at) }
        }),
        (name(), of(cond()), cond()).prop_map(|(name, when, only)| Item::Require {
            name,
            when,
            only
        }),
        block(stmt()).prop_map(Item::Defaults),
        (name(), cond(), block(stmt())).prop_map(|(name, when, body)| Item::Tune {
            name,
            when,
            body
        }),
        (name(), cond(), target(), of(block(stmt())))
            .prop_map(|(name, when, to, body)| Item::Route { name, when, to, body }),
        (target(), of(block(stmt()))).prop_map(|(to, body)| Item::Default { to, body }),
        (name(), cond(), text()).prop_map(|(name, when, to)| Item::Delegate { name, when, to }),
        (text(), target()).prop_map(|(from, to)| Item::Alias { from, to }),
        (name(), of(cond()), block(claim())).prop_map(|(name, when, claims)| Item::Invariant {
            name,
            when,
            claims
        }),
        (text(), block(probe())).prop_map(|(name, lines)| Item::Test { name, lines }),
    ]
    .boxed()
}

/// Any policy.
pub fn file() -> impl Strategy<Value = File> {
    vec(prop_oneof![declaration(), rule()].prop_map(line), 0..5)
        .prop_map(|items| File { items, tail: vec![] })
}
