//! Moving every place of a tree: a file that lies behind others, a condition that stands inside of a
//! YAML text.

use super::tree::*;

/// Nodes whose places can be moved.
pub trait Spans {
    /// Calls `each` with every place in the node.
    fn spans(&mut self, each: &mut dyn FnMut(&mut Span));
}

impl Spans for Span {
    fn spans(&mut self, each: &mut dyn FnMut(&mut Span)) {
        each(self);
    }
}

macro_rules! without_place {
    ($($ty:ty),*) => { $(impl Spans for $ty {
        fn spans(&mut self, _: &mut dyn FnMut(&mut Span)) {}
    })* };
}
without_place!(String, u64, f64, bool, Literal, AttrPart, Quantifier, SetOp, CompareOp, HasKind);
without_place!(SetParamOp, PromptPlace, LogShare, Share, Trivia);

impl<T: Spans> Spans for Vec<T> {
    fn spans(&mut self, each: &mut dyn FnMut(&mut Span)) {
        self.iter_mut().for_each(|node| node.spans(each));
    }
}
impl<T: Spans> Spans for Option<T> {
    fn spans(&mut self, each: &mut dyn FnMut(&mut Span)) {
        self.iter_mut().for_each(|node| node.spans(each));
    }
}
impl<T: Spans> Spans for Box<T> {
    fn spans(&mut self, each: &mut dyn FnMut(&mut Span)) {
        (**self).spans(each);
    }
}
impl<A: Spans, B: Spans> Spans for (A, B) {
    fn spans(&mut self, each: &mut dyn FnMut(&mut Span)) {
        self.0.spans(each);
        self.1.spans(each);
    }
}

macro_rules! fields {
    ($($ty:ident $(<$param:ident>)? { $($field:ident),* })*) => { $(
        impl $(<$param: Spans>)? Spans for $ty $(<$param>)? {
            fn spans(&mut self, each: &mut dyn FnMut(&mut Span)) {
                let Self { $($field,)* .. } = self;
                $($field.spans(each);)*
            }
        }
    )* };
}

fields! {
    Spanned<T> { node, span }
    Line<T> { node, span }
    Block<T> { lines }
    File { items }
    AttrPath { span }
    Knob { name, value }
    Schedule { name, from, to, hours, zone }
    Value { kind, span }
    Range { from, to }
    Cond { kind, span }
    Target { span }
    SetExpr { first, rest }
    Pick { strategy, of }
    By { attrs, salt }
    Arm { name, share, to }
    Mark { share, breach }
    Binding { attr, value }
}

macro_rules! variants {
    ($($ty:ident { $($variant:ident $(($($item:ident),*))? $({$($field:ident),*})?),* $(,)? })*) => { $(
        impl Spans for $ty {
            fn spans(&mut self, each: &mut dyn FnMut(&mut Span)) {
                // A variant without a place may find `each` of no use.
                let _ = &each;
                match self {
                    $(Self::$variant $(($($item),*))? $({$($field),*})? => {
                        $($($item.spans(each);)*)?
                        $($($field.spans(each);)*)?
                    })*
                }
            }
        }
    )* };
}

variants! {
    Item {
        Language(version),
        Import { path, alias },
        Enum { name, members },
        Attribute { attr, ty, source, default },
        Let { name, body },
        Schedule(schedule),
        Assume(cond),
        Pool { name, set, pick },
        Ladder { name, rungs },
        Split { name, by, arms },
        Experiment { name, by, lines },
        Budget { name, amount, period, per, when, marks },
        Limit { name, amount, per, when, breach },
        Deny { name, when, because, status },
        Require { name, when, only },
        Defaults(body),
        Tune { name, when, body },
        Route { name, when, to, body },
        Default { to, body },
        Delegate { name, when, to },
        Alias { from, to },
        Invariant { name, when, claims },
        Test { name, lines },
    }
    TypeExpr { Scalar { name, range }, Enum(members), Named(name) }
    Source { Script(file, knobs), Classifier(name, knobs), Header(name), Attr(path) }
    LetBody { List(list), Cond(cond) }
    ValueKind { Literal(literal), Name(name) }
    CondKind { Or(any), And(all), Not(inner), Atom { attr, test } }
    Test {
        Compare(op, value),
        In { negated, set },
        Present(present),
        Has(kind, values),
        Like(patterns),
        Matches(pattern),
    }
    Membership { Range(range), List(list), Name(name) }
    SetTerm { List(targets), Models(cond), Name(name) }
    PickStrategy {
        Cheapest, Fastest, Best, First, LeastBusy, RoundRobin, Script(file, knobs),
    }
    Rung { Step { name, to, escalate, body }, MaxCost(amount), Deadline(time), Hold(hold) }
    Hold { None, Full, Tokens(count), For(time) }
    ExperimentLine {
        Arm(arm),
        Ramp { arm, shares, every, from },
        Metric(names),
        Guard { cond, over, halt_to },
        Ends { date, to },
    }
    LimitAmount { Rate(rate), Concurrent(count) }
    Breach { Warn, Degrade(to), Queue(time), Deny(why) }
    Stmt {
        Only(cond),
        Timeout(clocks),
        Retry { times, on, backoff },
        Fallback { to, on },
        Hedge { after, to, max },
        Cap { amount, breach },
        Cache(cache),
        Set { param, op, value },
        Prompt { place, from_file, text },
        Shadow { share, to },
        Sticky { by, ttl },
        Tag { name, value },
        Floor { attr, at_least },
        Pick(pick),
        Log { what, share },
        Hold(hold),
    }
    CacheStmt { Off, On { semantic, ttl, key } }
    Claim {
        Models(quantifier, cond),
        NoShadow,
        Denied { always },
        Bound { what, at_most },
        RouteIn(routes),
    }
    TestLine { Given(bindings), Attempt { number, outcome, after }, Expect(expectation) }
    BindingValue { One(value), List(list) }
    Expectation {
        ModelsIn(quantifier, pool),
        ModelsWhere(quantifier, cond),
        Denied(rule),
        AnsweredBy(target),
        Cond(cond),
    }
}

/// Moves every place of a node by as many bytes.
pub fn shift(node: &mut impl Spans, by: u32) {
    if by > 0 {
        node.spans(&mut |span| *span = Span { start: span.start + by, end: span.end + by });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::syntax::parse;

    #[test]
    fn a_shifted_tree_is_the_tree_of_the_text_behind_other_text() {
        let text = include_str!("../../../policies/demo.policy");
        let mut shifted = parse(text).file;
        shift(&mut shifted, 7);
        let behind = parse(&format!("# abcd\n{text}")).file;
        // Debug shows the places, which equality leaves out; the comment in front is no place.
        let shown = |file: &File| {
            let items: Vec<_> = file.items.iter().map(|line| (&line.node, line.span)).collect();
            format!("{items:?}")
        };
        assert_eq!(shown(&shifted), shown(&behind));
    }
}
