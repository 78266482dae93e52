use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::policy::cond::{Glob, Op, Operand};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::Span;
use crate::policy::value::{OwnedValue, Value};

/// A request as a list of values, which notes what it was asked for.
#[derive(Debug, Default)]
struct Request {
    values: Vec<(Attr, OwnedValue)>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl Facts for Request {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        self.asked.borrow_mut().insert(attr.attr.def().name);
        self.values
            .iter()
            .find(|(known, _)| *known == attr.attr)
            .map_or(Value::Absent, |(_, value)| value.as_value())
    }
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

fn test(attr: Attr, op: Op) -> Cond {
    Cond::test(Operand::Attr(AttrRef::plain(attr)), op, Span::default())
}

const INTS: [Attr; 2] = [Attr::InputTokens, Attr::RequestTools];
const TEXTS: [Attr; 2] = [Attr::KeyTeam, Attr::RequestModel];

fn any_test() -> impl Strategy<Value = Cond> {
    let word = prop::sample::select(vec!["a", "b", "ab", "c"]);
    prop_oneof![
        (prop::sample::select(&INTS[..]), -3..3i64, 0..4i64)
            .prop_map(|(attr, low, len)| test(attr, Op::Within(vec![(low, low + len)]))),
        (prop::sample::select(&INTS[..]), -3..3i64)
            .prop_map(|(attr, low)| test(attr, Op::Within(vec![(low, i64::MAX)]))),
        (prop::sample::select(&TEXTS[..]), prop::collection::vec(word.clone(), 1..3)).prop_map(
            |(attr, words)| { test(attr, Op::OneOf(words.into_iter().map(Arc::from).collect())) }
        ),
        (prop::sample::select(&TEXTS[..]), "[ab*]{1,3}")
            .prop_map(|(attr, glob)| test(attr, Op::Like(Glob::new(&glob)))),
        prop::sample::select(&TEXTS[..]).prop_map(|attr| test(attr, Op::Present)),
        Just(test(Attr::RequestStream, Op::IsTrue)),
        word.prop_map(|word| test(Attr::KeyTags, Op::Has(word.into()))),
    ]
}

fn any_cond() -> impl Strategy<Value = Cond> {
    any_test().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Cond::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Cond::Or),
            inner.prop_map(|cond| Cond::Not(Box::new(cond))),
        ]
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    let int = || prop::option::of((-4..6i64).prop_map(OwnedValue::Int));
    let text = || {
        prop::option::of(
            prop::sample::select(vec!["a", "b", "ab", "zz", ""])
                .prop_map(|text| OwnedValue::Str(text.into())),
        )
    };
    let tags = prop::collection::btree_set(
        prop::sample::select(vec!["a", "b"]).prop_map(Arc::<str>::from),
        0..2,
    );
    (int(), int(), text(), text(), any::<bool>(), tags).prop_map(|(i, j, s, t, stream, tags)| {
        let mut values = vec![
            (Attr::RequestStream, OwnedValue::Bool(stream)),
            (Attr::KeyTags, OwnedValue::Set(tags)),
        ];
        let optional = INTS.into_iter().chain(TEXTS).zip([i, j, s, t]);
        values.extend(optional.filter_map(|(attr, value)| Some((attr, value?))));
        Request { values, asked: RefCell::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The table is only a faster way to say what the conditions say.
    #[test]
    fn the_table_agrees_with_the_conditions(
        all in prop::collection::vec(any_cond(), 0..4),
        first in prop::collection::vec(any_cond(), 0..6),
        request in any_request(),
    ) {
        let (all_refs, first_refs): (Vec<_>, Vec<_>) = (all.iter().collect(), first.iter().collect());
        let Ok(table) = Table::build(&all_refs, &first_refs) else { return Ok(()) };
        let expected = Matches {
            all: (0..).zip(&all).filter(|(_, cond)| cond.holds(&request)).map(|(i, _)| i).collect(),
            first: first.iter().position(|cond| cond.holds(&request)).map(|i| i as u32),
        };
        prop_assert_eq!(table.decide(&request), expected);
    }
}

#[test]
fn a_costly_attribute_is_not_asked_for_when_the_answer_is_clear() {
    let plain = test(Attr::RequestStream, Op::IsTrue);
    let costly = test(Attr::Task, Op::OneOf(vec!["code".into()]));
    let table = Table::build(&[], &[&plain, &costly]).unwrap();

    let streaming = Request {
        values: vec![(Attr::RequestStream, OwnedValue::Bool(true))],
        ..Request::default()
    };
    assert_eq!(table.decide(&streaming).first, Some(0));
    assert!(!streaming.asked.borrow().contains("task"));

    let other = Request::default();
    assert_eq!(table.decide(&other).first, None);
    assert!(other.asked.borrow().contains("task"));
}

#[test]
fn a_condition_with_too_many_cases_is_named() {
    // (a0 or b0) and (a1 or b1) and …: two to the ninth boxes.
    let any = |i: i64| {
        Cond::Or(vec![
            test(Attr::InputTokens, Op::Within(vec![(i, i)])).negated(),
            test(Attr::KeyTags, Op::Has(format!("t{i}").into())),
        ])
    };
    let wide = Cond::And((0..10).map(any).collect());
    assert_eq!(
        Table::build(&[], &[&Cond::TRUE, &wide]).unwrap_err(),
        TooComplex::Condition { rule: 1 }
    );
}

#[test]
fn no_rules_match_nothing() {
    let table = Table::build(&[], &[]).unwrap();
    assert_eq!(table.decide(&Request::default()), Matches { all: SmallVec::new(), first: None });
}
