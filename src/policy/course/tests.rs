//! The way through a plan, case by case.

use std::sync::Arc;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use super::{Course, Ending, Failing, MOST_CANDIDATES, Next, Served, Tried, Turn, Ways};
use crate::catalog::ModelIdx;
use crate::error_class::{ErrorClass, ErrorSet};
use crate::policy::cond::Cond;
use crate::policy::plan::{Candidates, Plan, PlanReason, Step};
use crate::policy::program::{Hold, Retry, Settings};

use ErrorClass::{BadRequest, ContentFiltered, RateLimited, ServerError, Timeout};

#[derive(Debug, Clone, Copy)]
struct Error(ErrorClass, Option<u64>);

impl Failing for Error {
    fn class(&self) -> ErrorClass {
        self.0
    }
    fn retry_after(&self) -> Option<Duration> {
        self.1.map(Duration::from_millis)
    }
}

/// Time passes with waits only; `keys` is how many other keys there are.
#[derive(Default)]
struct World {
    keys: u32,
    waited: Duration,
    time: Option<Duration>,
    climbs_on: Option<ErrorClass>,
}

impl Ways<Error> for World {
    fn out_of_time(&self) -> bool {
        self.time.is_some_and(|time| self.waited >= time)
    }
    fn another_key(&mut self, turn: &Turn<'_>, error: &Error) -> bool {
        error.0 == ErrorClass::Auth && turn.switches < self.keys
    }
    fn wait(&mut self, _: &Turn<'_>, most: Duration, asked: Option<Duration>) -> Option<Duration> {
        let wait = asked.map_or(most, |asked| asked.max(most));
        self.waited += wait;
        (!self.out_of_time()).then_some(wait)
    }
    fn escalates(&mut self, _: &Cond, error: &Error) -> bool {
        self.climbs_on == Some(error.0)
    }
}

fn step(models: &[u32], checked: bool, retry: Option<Retry>) -> Step {
    Step {
        name: "s".into(),
        candidates: models.iter().copied().map(ModelIdx).collect(),
        passed_over: false,
        escalate: checked.then(|| Arc::new(Cond::TRUE)),
        hedge: None,
        sticky: None,
        settings: Arc::new(Settings { retry, ..Settings::default() }),
    }
}

fn plan(steps: SmallVec<[Step; 1]>, fallback: Option<(&[u32], ErrorSet)>) -> Plan {
    let models = |models: &[u32]| models.iter().copied().map(ModelIdx).collect::<Candidates>();
    Plan {
        route: "r".into(),
        line: None,
        reason: PlanReason::Matched,
        arm: None,
        ladder: None,
        reached: None,
        steps,
        fallback: fallback.map(|(to, on)| (models(to), on)),
        shadows: Vec::new(),
        settings: Arc::default(),
        hold: Hold::Full,
        max_cost: None,
        deadline: None,
    }
}

const TWICE: Retry = Retry {
    times: 2,
    on: ErrorSet::TRANSIENT,
    first_wait: Duration::from_millis(200),
    longest_wait: Duration::from_millis(300),
};

/// What happens at each turn; the answers carry the number of their turn.
type Outcomes<'a> = &'a [Tried<(), Error>];

/// The models asked, with the waits before them, and how it ended.
fn follow(plan: &Plan, world: &mut World, outcomes: Outcomes<'_>) -> (Vec<String>, String) {
    let mut course: Course<'_, usize, Error> = Course::of(plan);
    let mut next = course.start(world);
    let mut asked = Vec::new();
    loop {
        match next {
            Next::Ask(turn) => {
                let served = match turn.served {
                    Served::AsPlanned => "",
                    Served::Fallback => " fallback",
                    Served::Escalated => " escalated",
                    Served::Hedged => " hedged",
                };
                let wait = match turn.wait.as_millis() {
                    0 => String::new(),
                    millis => format!(" after {millis}"),
                };
                asked.push(format!("{}{served}{wait}", turn.model.0));
                let number = asked.len();
                let outcome = outcomes.get(number - 1).expect("an outcome for every turn");
                let tried = match outcome {
                    Tried::Accepted(()) => Tried::Accepted(number),
                    Tried::Rejected(answer) => Tried::Rejected(answer.map(|()| number)),
                    Tried::Failed(error) => Tried::Failed(*error),
                    Tried::Unfit(error) => Tried::Unfit(*error),
                    Tried::TooDear => Tried::TooDear,
                    Tried::Gone => Tried::Gone,
                };
                next = course.follow(tried, world);
            }
            Next::End(ending) => {
                assert_eq!(asked.len(), outcomes.len(), "asked {asked:?}");
                let ending = match ending {
                    Ending::Accepted(number) => format!("accepted {number}"),
                    Ending::Rejected(number) => format!("rejected {number}"),
                    Ending::Failed(error, model) => format!("{} by {}", error.0, model.0),
                    Ending::NobodyAsked => "nobody asked".into(),
                };
                return (asked, ending);
            }
        }
    }
}

fn failed(class: ErrorClass) -> Tried<(), Error> {
    Tried::Failed(Error(class, None))
}

const OK: Tried<(), Error> = Tried::Accepted(());
const NO: Tried<(), Error> = Tried::Rejected(Some(()));

#[track_caller]
fn expect(plan: &Plan, world: World, outcomes: Outcomes<'_>, asked: &[&str], ending: &str) {
    let mut world = world;
    let (was_asked, ended) = follow(plan, &mut world, outcomes);
    assert_eq!(
        (was_asked, ended.as_str()),
        (asked.iter().map(|it| it.to_string()).collect(), ending)
    );
}

#[test]
fn candidates_follow_after_transient_errors_only() {
    let plan = plan(smallvec![step(&[1, 2, 3], false, None)], None);
    let outcomes = [failed(ServerError), failed(Timeout), OK];
    let asked = ["1", "2 fallback", "3 fallback"];
    expect(&plan, World::default(), &outcomes, &asked, "accepted 3");
    expect(&plan, World::default(), &[failed(BadRequest)], &["1"], "bad_request by 1");
}

#[test]
fn whoever_is_gone_or_too_dear_is_passed_by() {
    let all = plan(smallvec![step(&[1, 2], false, None)], None);
    expect(&all, World::default(), &[Tried::Gone, OK], &["1", "2"], "accepted 2");
    expect(&all, World::default(), &[Tried::Gone, Tried::TooDear], &["1", "2"], "nobody asked");
    let unfit = || Tried::Unfit(Error(ErrorClass::Unsupported, None));
    expect(&all, World::default(), &[unfit(), failed(BadRequest)], &["1", "2"], "bad_request by 2");
    expect(&all, World::default(), &[unfit(), unfit()], &["1", "2"], "unsupported by 1");
}

#[test]
fn the_fallback_is_asked_on_its_errors_or_where_nobody_else_could_be() {
    let on = ErrorSet::of(&[ContentFiltered]);
    let plan = plan(smallvec![step(&[1], false, None)], Some((&[9], on)));
    let filtered = || failed(ContentFiltered);
    expect(&plan, World::default(), &[filtered(), OK], &["1", "9 fallback"], "accepted 2");
    expect(&plan, World::default(), &[failed(Timeout)], &["1"], "timeout by 1");
    expect(&plan, World::default(), &[Tried::TooDear, OK], &["1", "9 fallback"], "accepted 2");
    expect(&plan, World::default(), &[Tried::Gone], &["1"], "nobody asked");
}

#[test]
fn retries_double_their_wait_up_to_the_longest() {
    let plan = plan(smallvec![step(&[1, 2], false, Some(TWICE))], None);
    let again = || failed(RateLimited);
    let asked = ["1", "1 after 200", "1 after 300", "2 fallback"];
    expect(&plan, World::default(), &[again(), again(), again(), OK], &asked, "accepted 4");
    let patient = Tried::Failed(Error(RateLimited, Some(250)));
    expect(&plan, World::default(), &[patient, OK], &["1", "1 after 250"], "accepted 2");
    let too_patient = Tried::Failed(Error(RateLimited, Some(301)));
    expect(&plan, World::default(), &[too_patient, OK], &["1", "2 fallback"], "accepted 2");
    expect(&plan, World::default(), &[failed(BadRequest)], &["1"], "bad_request by 1");
}

#[test]
fn another_key_is_no_retry() {
    let plan = plan(smallvec![step(&[1], false, Some(Retry { on: ErrorSet::ANY, ..TWICE }))], None);
    let world = World { keys: 1, ..World::default() };
    let auth = || failed(ErrorClass::Auth);
    let asked = ["1", "1", "1 after 200", "1 after 300"];
    expect(&plan, world, &[auth(), auth(), auth(), auth()], &asked, "auth by 1");
}

#[test]
fn a_rejected_answer_climbs_and_is_better_than_none() {
    let plan = plan(
        smallvec![step(&[1], true, None), step(&[2], true, None), step(&[3], false, None)],
        None,
    );
    let asked = ["1", "2 escalated", "3 escalated"];
    expect(&plan, World::default(), &[NO, NO, OK], &asked, "accepted 3");
    expect(&plan, World::default(), &[NO, NO, failed(Timeout)], &asked, "rejected 2");
    let begun = Tried::Rejected(None);
    expect(&plan, World::default(), &[NO, begun, failed(Timeout)], &asked, "rejected 1");
    // Whether an error climbs is for the step's condition to say.
    let world = || World { climbs_on: Some(Timeout), ..World::default() };
    expect(&plan, world(), &[failed(Timeout), OK], &asked[..2], "accepted 2");
    expect(&plan, world(), &[failed(ServerError)], &asked[..1], "server_error by 1");
    expect(&plan, world(), &[NO, failed(ServerError)], &asked[..2], "rejected 1");
    // A step in which nobody could be asked is climbed past.
    expect(&plan, world(), &[Tried::Gone, Tried::TooDear, OK], &asked, "accepted 3");
}

#[test]
fn every_step_has_its_own_fallback_and_its_own_errors() {
    let two = smallvec![step(&[1], true, None), step(&[2], false, None)];
    let plan = plan(two, Some((&[9], ErrorSet::of(&[Timeout]))));
    let world = World { climbs_on: Some(ServerError), ..World::default() };
    let outcomes = [failed(Timeout), failed(ServerError), failed(Timeout), OK];
    let asked = ["1", "9 fallback", "2 escalated", "9 fallback"];
    expect(&plan, world, &outcomes, &asked, "accepted 4");
}

#[test]
fn nothing_begins_after_the_time_is_up() {
    let time = Some(Duration::from_millis(200));
    let plan = plan(smallvec![step(&[1, 2], true, Some(TWICE)), step(&[3], false, None)], None);
    let world = World { time, climbs_on: Some(Timeout), ..World::default() };
    expect(&plan, world, &[failed(Timeout)], &["1"], "timeout by 1");
}

#[test]
fn an_outage_of_many_does_not_ask_them_all() {
    let many: Vec<u32> = (0..40).collect();
    let plan = plan(smallvec![step(&many, false, None)], None);
    let outcomes: Vec<_> = (0..MOST_CANDIDATES).map(|_| failed(ServerError)).collect();
    let (asked, ending) = follow(&plan, &mut World::default(), &outcomes);
    assert_eq!((asked.len(), ending.as_str()), (8, "server_error by 7"));
}

proptest::proptest! {
    /// However attempts end, the course ends: after no more attempts than the plan allows, with the
    /// accepted answer, else the last rejected one, else an error.
    #[test]
    fn every_course_ends(
        steps in proptest::collection::vec((1usize..11, proptest::bool::ANY, 0u32..3), 1..4),
        fallback in 0u32..3,
        ends in proptest::collection::vec(0usize..18, 200),
        climbs_on in 0usize..13,
        keys in 0u32..3,
    ) {
        let count = steps.len();
        let steps = steps.into_iter().enumerate().map(|(place, (models, checked, times))| {
            let models: Vec<u32> = (0..models as u32).map(|it| it + 100 * place as u32).collect();
            let retry = Retry { times, on: ErrorSet::ANY, ..TWICE };
            step(&models, checked && place + 1 < count, Some(retry))
        });
        let fallback: Vec<u32> = (900..900 + fallback).collect();
        let plan = plan(steps.collect(), Some((&fallback, ErrorSet::ANY)));
        let climbs_on = Some(ErrorClass::ALL[climbs_on]);
        let mut world = World { keys, climbs_on, ..World::default() };
        let most: usize = plan.steps.iter().map(|step| {
            let models = step.candidates.len().min(MOST_CANDIDATES) + fallback.len();
            let tries = step.settings.retry.map_or(0, |retry| retry.times) + 1 + keys;
            models * tries as usize
        }).sum();
        let mut course: Course<'_, usize, Error> = Course::of(&plan);
        let mut next = course.start(&mut world);
        let (mut turns, mut last_rejected) = (0, None);
        let ending = loop {
            let turn = match next {
                Next::Ask(turn) => turn,
                Next::End(ending) => break ending,
            };
            turns += 1;
            proptest::prop_assert!(turns <= most, "{turns} of {most}");
            let tried = match ends[turns - 1] {
                13 => Tried::Accepted(turns),
                14 if turn.step.escalate.is_some() => {
                    last_rejected = Some(turns);
                    Tried::Rejected(Some(turns))
                }
                14 | 15 => Tried::TooDear,
                16 => Tried::Gone,
                17 => Tried::Unfit(Error(ErrorClass::Unsupported, None)),
                class => Tried::Failed(Error(ErrorClass::ALL[class], None)),
            };
            next = course.follow(tried, &mut world);
        };
        match ending {
            Ending::Accepted(number) => proptest::prop_assert_eq!(number, turns),
            Ending::Rejected(number) => proptest::prop_assert_eq!(Some(number), last_rejected),
            Ending::Failed(..) | Ending::NobodyAsked => {
                proptest::prop_assert_eq!(last_rejected, None);
            }
        }
    }
}
