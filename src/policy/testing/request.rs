//! The request that a test speaks of: what it gives, what follows from that, and the rest as in a
//! plain request.

use std::cell::OnceCell;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::catalog::live::ModelLive;
use crate::catalog::{Catalog, Live, ModelIdx, worst_case};
use crate::ids::ModelId;
use crate::policy::cond::{Declared, DeclaredSource, Operand};
use crate::policy::eval::{Meter, WithLive};
use crate::policy::models::days;
use crate::policy::plain::{NOON, plain};
use crate::policy::program::{Budget, Limit, LimitAmount, ModelSet, Period, Program, TestCase};
use crate::policy::schedule::{DAYS, weekday_index};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::value::{Facts, OwnedValue, Value, WorkedOut};
use crate::units::{BasisPoints, Tokens};

/// A token is about four bytes of text.
const BYTES_PER_TOKEN: i64 = 4;

/// One request, as a test describes it.
pub struct TestRequest<'a> {
    program: &'a Program,
    given: Vec<(&'a AttrRef, &'a OwnedValue)>,
    /// What scripts and classifiers say, by the names of the declared attributes.
    worked_out: Vec<(&'a str, &'a OwnedValue)>,
    now: Timestamp,
    /// How the models are doing.
    pub live: Live,
    /// The models that are taken to be configured.
    pub enabled: &'a ModelSet,
    /// The model that the client named.
    pub named: Option<ModelIdx>,
    max_cost: OnceCell<Value<'static>>,
}

impl<'a> TestRequest<'a> {
    /// The request of a test.
    pub fn of(test: &'a TestCase, program: &'a Program, enabled: &'a ModelSet) -> TestRequest<'a> {
        let (mut given, mut worked_out) = (Vec::new(), Vec::new());
        for it in &test.given {
            match &it.operand {
                Operand::Attr(attr) => given.push((attr, &it.value)),
                Operand::Declared(declared) => match &declared.source {
                    // Where its value comes from says the same.
                    Some(DeclaredSource::Attr(source)) => given.push((source, &it.value)),
                    _ => worked_out.push((&*declared.name, &it.value)),
                },
            }
        }
        let mut request = TestRequest {
            program,
            given,
            worked_out,
            now: Timestamp::UNIX_EPOCH,
            live: Live::default(),
            enabled,
            named: None,
            max_cost: OnceCell::new(),
        };
        request.now = request.instant();
        request.live = request.live();
        request.named = request.named();
        request
    }

    fn given(&self, attr: Attr) -> Option<Value<'_>> {
        let found = self.given.iter().find(|(known, _)| known.attr == attr);
        found.map(|(_, value)| value.as_value())
    }

    fn given_int(&self, attr: Attr) -> Option<i64> {
        match self.given(attr)? {
            Value::Int(int) => Some(int),
            _ => None,
        }
    }

    /// The instant that the test gives, or one that fits its hour, weekday and date.
    fn instant(&self) -> Timestamp {
        let time = self.given_int(Attr::Time).and_then(|time| Timestamp::from_second(time).ok());
        if let Some(time) = time {
            return time;
        }
        let noon = TimeZone::UTC.to_datetime(NOON);
        let mut date = noon.date();
        if let Some(day) = self.given_int(Attr::TimeDate) {
            let epoch = Date::constant(1970, 1, 1);
            let span = jiff::Span::new().try_days(day);
            date = span.and_then(|span| epoch.checked_add(span)).unwrap_or(date);
        } else if let Some(Value::Str(word)) = self.given(Attr::TimeWeekday) {
            let wanted = DAYS.iter().position(|day| *day == word);
            let days = std::iter::successors(Some(date), |day| day.tomorrow().ok()).take(7);
            let mut days = days.filter(|day| Some(weekday_index(day.weekday())) == wanted);
            date = days.next().unwrap_or(date);
        }
        let hour = self.given_int(Attr::TimeHour).and_then(|hour| i8::try_from(hour).ok());
        let hour = hour.filter(|hour| (0..24).contains(hour)).unwrap_or(noon.hour());
        let time = date.at(hour, 0, 0, 0);
        TimeZone::UTC.to_timestamp(time).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn live(&self) -> Live {
        let mut live = Live::default();
        for (attr, value) in &self.given {
            match (attr.attr, value) {
                (Attr::RouterInflight, OwnedValue::Int(count)) => {
                    live.router_inflight = u32::try_from(*count).unwrap_or(0);
                }
                (Attr::RouterQueue, OwnedValue::Int(count)) => {
                    live.router_queue = u32::try_from(*count).unwrap_or(0);
                }
                (Attr::RouterDegraded, OwnedValue::Bool(degraded)) => live.degraded = *degraded,
                _ => {}
            }
            let id = ModelId::new(attr.index.as_deref().unwrap_or_default());
            let Some(model) = self.program.catalog.get(&id) else { continue };
            if live.models.is_empty() {
                live.models = vec![ModelLive::FRESH; self.program.catalog.models().len()];
            }
            // The catalogue gives out no index behind its end.
            let live = &mut live.models[model.index()];
            let time = |nanos: i64| std::time::Duration::from_nanos(nanos.unsigned_abs());
            match (attr.attr, value) {
                (Attr::ModelAvailable, OwnedValue::Bool(available)) => live.available = *available,
                (Attr::ModelTtftP50, OwnedValue::Int(it)) => live.ttft.p50 = Some(time(*it)),
                (Attr::ModelTtftP95, OwnedValue::Int(it)) => live.ttft.p95 = Some(time(*it)),
                (Attr::ModelLatencyP50, OwnedValue::Int(it)) => live.latency.p50 = Some(time(*it)),
                (Attr::ModelLatencyP95, OwnedValue::Int(it)) => live.latency.p95 = Some(time(*it)),
                (Attr::ModelErrorRate, OwnedValue::Int(share)) => {
                    live.error_rate = BasisPoints(u32::try_from(*share).unwrap_or(0));
                }
                (Attr::ModelInflight, OwnedValue::Int(count)) => {
                    live.inflight = u32::try_from(*count).unwrap_or(0);
                }
                _ => {}
            }
        }
        live
    }

    fn named(&self) -> Option<ModelIdx> {
        let Some(Value::Str(name)) = self.given(Attr::RequestModel) else { return None };
        let catalog: &Catalog = &self.program.catalog;
        catalog.find(name, |provider| {
            let mut models = catalog.models().iter().zip((0..).map(ModelIdx));
            models.any(|(model, index)| model.provider == *provider && self.enabled.contains(index))
        })
    }

    fn text(&self, attr: Attr) -> &str {
        match self.given(attr).unwrap_or_else(|| plain(attr)) {
            Value::Str(text) => text,
            _ => "",
        }
    }

    /// The tokens of the prompt: as given, or as it follows from another of its sizes.
    fn input(&self) -> i64 {
        let output = self.given_int(Attr::RequestMaxOutput).unwrap_or(0);
        let system = self.given_int(Attr::InputSystemTokens).unwrap_or(0);
        let of_bytes = |attr| Some(self.given_int(attr)? / BYTES_PER_TOKEN);
        let of_parts = || Some(system + self.given_int(Attr::InputLastTokens)?);
        let usual = match plain(Attr::InputTokens) {
            Value::Int(tokens) => tokens,
            _ => 0,
        };
        self.given_int(Attr::InputTokens)
            .or_else(|| Some(self.given_int(Attr::TotalTokens)?.saturating_sub(output).max(0)))
            .or_else(|| of_bytes(Attr::RequestBytes))
            .or_else(|| of_bytes(Attr::InputChars))
            .or_else(of_parts)
            .unwrap_or(usual)
            .max(system)
    }

    /// The worst case on the cheapest model.
    fn max_cost(&self) -> Value<'static> {
        *self.max_cost.get_or_init(|| {
            let models = self.program.catalog.models().iter().zip((0..).map(ModelIdx));
            let enabled = models.filter(|(_, index)| self.enabled.contains(*index));
            let whole = |it: i64| Tokens(u64::try_from(it).unwrap_or(0));
            let output = self.given_int(Attr::RequestMaxOutput).map(whole);
            let images = self.given_int(Attr::RequestImages).unwrap_or(0);
            let images = u32::try_from(images).unwrap_or(u32::MAX);
            let costs = enabled
                .filter_map(|(model, _)| worst_case(model, whole(self.input()), images, output));
            let least = costs.min().and_then(|cost| i64::try_from(cost.0).ok());
            least.map_or(Value::Absent, Value::Int)
        })
    }

    /// What follows from other things that are given; `None` if nothing does.
    fn derived(&self, attr: &AttrRef) -> Option<Value<'_>> {
        let utc = || TimeZone::UTC.to_datetime(self.now);
        Some(match attr.attr {
            Attr::RequestAuto => {
                let model = self.text(Attr::RequestModel);
                Value::Bool(model == "auto" || model.starts_with("auto/"))
            }
            Attr::KeyName => Value::Str(self.text(Attr::KeyId)),
            Attr::KeyAllowsModel => {
                self.given(Attr::RequestModel)?;
                Value::Bool(self.named.is_some())
            }
            Attr::InputTokens => Value::Int(self.input()),
            Attr::TotalTokens => {
                let output = self.given_int(Attr::RequestMaxOutput).unwrap_or(0);
                Value::Int(self.input().saturating_add(output))
            }
            Attr::RequestBytes | Attr::InputChars => {
                Value::Int(self.input().saturating_mul(BYTES_PER_TOKEN))
            }
            Attr::InputLastTokens => {
                let system = self.given_int(Attr::InputSystemTokens).unwrap_or(0);
                Value::Int(self.input() - system)
            }
            Attr::RequestHasSystem => {
                Value::Bool(self.given_int(Attr::InputSystemTokens).is_some_and(|it| it > 0))
            }
            Attr::RequestMaxCost => self.max_cost(),
            Attr::Time => Value::Int(self.now.as_second()),
            Attr::TimeHour => Value::Int(utc().hour().into()),
            Attr::TimeWeekday => Value::Str(DAYS[weekday_index(utc().weekday())]),
            Attr::TimeDate => Value::Int(days(utc().date())),
            Attr::BudgetUsed => Value::Int(self.used(self.budget_named(attr)?).0.into()),
            Attr::BudgetLeft => {
                let budget = self.budget_named(attr)?;
                let amount = i64::try_from(budget.amount.0).unwrap_or(i64::MAX);
                Value::Int(amount.saturating_sub(spent(budget, self.used(budget))).max(0))
            }
            spend if spend.def().name.starts_with("spend.") => {
                let budgets = self.program.budgets.iter();
                let mut of_it = budgets.filter(|budget| spend_of(budget) == Some(spend));
                let budget = of_it.find(|budget| self.used(budget).0 > 0)?;
                Value::Int(spent(budget, self.used(budget)))
            }
            _ => return None,
        })
    }

    /// A budget by the name that it has in some file; in others there may be a prefix before it.
    fn budget_named(&self, attr: &AttrRef) -> Option<&'a Budget> {
        let name = attr.index.as_deref()?;
        self.program.budgets.iter().find(|budget| is_called(budget, name))
    }

    /// How much of a budget is used, by what the test says of it, of what is left of it, or of what
    /// was spent by whom it is for.
    fn used(&self, budget: &Budget) -> BasisPoints {
        let of = |attr: Attr| {
            let mut given = self.given.iter().filter(|(known, _)| known.attr == attr);
            given.find_map(|(known, value)| match (known.index.as_deref(), value) {
                (Some(name), OwnedValue::Int(int)) if is_called(budget, name) => Some(*int),
                _ => None,
            })
        };
        let amount = i128::from(budget.amount.0).max(1);
        let share = |spent: i128| u32::try_from(spent * 10_000 / amount).unwrap_or(0);
        let spent = || self.given_int(spend_of(budget)?);
        BasisPoints(match (of(Attr::BudgetUsed), of(Attr::BudgetLeft), spent()) {
            (Some(used), _, _) => u32::try_from(used).unwrap_or(0),
            (None, Some(left), _) => share(amount - i128::from(left)),
            (None, None, Some(spent)) => share(spent.into()),
            (None, None, None) => 0,
        })
    }
}

fn is_called(budget: &Budget, name: &str) -> bool {
    let full = &*budget.rule.name;
    full == name || full.strip_suffix(name).is_some_and(|prefix| prefix.ends_with('.'))
}

/// What a share of a budget is in nano-dollars.
fn spent(budget: &Budget, used: BasisPoints) -> i64 {
    let spent = u128::from(budget.amount.0) * u128::from(used.0) / 10_000;
    i64::try_from(spent).unwrap_or(i64::MAX)
}

/// The attribute that says what was spent by whom a budget is for, in its period.
fn spend_of(budget: &Budget) -> Option<Attr> {
    let Operand::Attr(per) = &budget.per else { return None };
    Some(match (per.attr, budget.period) {
        (Attr::KeyId, Period::Day) => Attr::SpendKeyDay,
        (Attr::KeyId, Period::Month) => Attr::SpendKeyMonth,
        (Attr::UserId, Period::Day) => Attr::SpendUserDay,
        (Attr::UserId, Period::Month) => Attr::SpendUserMonth,
        (Attr::KeyTeam, Period::Day) => Attr::SpendTeamDay,
        (Attr::KeyTeam, Period::Month) => Attr::SpendTeamMonth,
        (Attr::KeyOrg, Period::Day) => Attr::SpendOrgDay,
        (Attr::KeyOrg, Period::Month) => Attr::SpendOrgMonth,
        _ => return None,
    })
}

impl Facts for TestRequest<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn worked_out<'a>(&'a self, declared: &Declared, _: &dyn Facts) -> Option<WorkedOut<'a>> {
        let found = self.worked_out.iter().find(|(name, _)| **name == *declared.name);
        found.map(|(_, value)| WorkedOut::Said(value.as_value()))
    }

    fn get(&self, attr: &AttrRef) -> Value<'_> {
        match attr.attr {
            // What the clock says is never overruled, so that it cannot contradict itself.
            Attr::Time | Attr::TimeHour | Attr::TimeWeekday | Attr::TimeDate => {}
            Attr::TotalTokens
                if self.given_int(Attr::TotalTokens).is_some_and(|it| it < self.input()) => {}
            _ => {
                if let Some((_, value)) = self.given.iter().find(|(known, _)| *known == attr) {
                    return value.as_value();
                }
            }
        }
        let overlaid = WithLive { facts: &Nothing, live: &self.live, program: self.program };
        match overlaid.get(attr) {
            Value::Int(int) => return Value::Int(int),
            Value::Bool(bool) => return Value::Bool(bool),
            _ => {}
        }
        self.derived(attr).unwrap_or_else(|| plain(attr.attr))
    }
}

/// Facts of which nothing is known.
struct Nothing;

impl Facts for Nothing {
    fn get(&self, _: &AttrRef) -> Value<'_> {
        Value::Absent
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// Budgets are used as the test says. A limit is full if the figures that the test gives for the key
/// (`rate.key.rpm`, `.tpm`, `.concurrent`) reach it. They stand for those of whomever the limit is
/// per, and for windows longer than their minute; shorter windows are scaled up to it.
impl Meter for TestRequest<'_> {
    fn budget(&self, _: usize, budget: &Budget) -> BasisPoints {
        self.used(budget)
    }

    fn is_full(&self, _: usize, limit: &Limit) -> bool {
        let (attr, most, window) = match limit.amount {
            LimitAmount::Requests(count, window) => (Attr::RateKeyRpm, count, window),
            LimitAmount::Tokens(count, window) => (Attr::RateKeyTpm, count, window),
            LimitAmount::Concurrent(count) => {
                (Attr::RateKeyConcurrent, count, std::time::Duration::MAX)
            }
        };
        let per_minute = (60 / window.as_secs().max(1)).max(1);
        let figure = self.given_int(attr).and_then(|figure| u64::try_from(figure).ok());
        figure.is_some_and(|figure| figure >= most.saturating_mul(per_minute))
    }
}
