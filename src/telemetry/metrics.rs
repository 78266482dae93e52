//! Figures for Prometheus: counted while requests are answered, printed when they are asked for.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures. Cheap to count in; one per gateway.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    refused: Family<CodeLabels, Counter>,
    policies: Family<PolicyLabels, Gauge>,
    reloads: Family<ReloadLabels, Counter>,
    last_reload: Family<ReloadLabels, Gauge<f64, AtomicU64>>,
    reload_good: Gauge,
    script_errors: Family<ScriptLabels, Counter>,
    assumption_breaks: Family<AssumptionLabels, Counter>,
    decisions_lost: Counter,
}

/// A text that costs nothing to copy, as a label's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Word(Arc<str>);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(&self.0)
    }
}

/// What became of a decided request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A model answered.
    Answered,
    /// The cache did.
    Cached,
    /// A rule refused it.
    Denied,
    /// No model was left, or none has that name.
    NoModel,
    /// Whoever was asked failed.
    Failed,
    /// The client went away.
    Canceled,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(match self {
            Outcome::Answered => "answered",
            Outcome::Cached => "cached",
            Outcome::Denied => "denied",
            Outcome::NoModel => "no_model",
            Outcome::Failed => "failed",
            Outcome::Canceled => "canceled",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    policy: Word,
    route: Word,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    policy: Word,
    generation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScriptLabels {
    policy: Word,
    script: Word,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AssumptionLabels {
    policy: Word,
    assumption: Word,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("pointsman");
        let requests = Family::default();
        let refused = Family::default();
        let policies = Family::default();
        let reloads = Family::default();
        let last_reload = Family::default();
        let reload_good = Gauge::default();
        let script_errors = Family::default();
        let assumption_breaks = Family::default();
        let decisions_lost = Counter::default();
        registry.register("requests", "Decided requests, by what became of them", requests.clone());
        registry.register(
            "requests_refused",
            "Requests that were answered with an error before a policy decided",
            refused.clone(),
        );
        registry.register("policy_info", "The policies that decide", policies.clone());
        registry.register("reloads", "Attempts to take a change over", reloads.clone());
        registry.register(
            "last_reload_timestamp_seconds",
            "When a change was last taken over, and when one was last refused",
            last_reload.clone(),
        );
        registry.register(
            "last_reload_successful",
            "Whether the last change was taken over (1) or refused (0)",
            reload_good.clone(),
        );
        registry.register(
            "script_errors",
            "Scripts that failed or ran too long",
            script_errors.clone(),
        );
        registry.register(
            "assumption_breaks",
            "Requests that broke an `assume` of their policy",
            assumption_breaks.clone(),
        );
        registry.register(
            "decision_log_lost",
            "Lines of the decision log that were not written",
            decisions_lost.clone(),
        );
        reload_good.set(1);
        Metrics {
            registry,
            requests,
            refused,
            policies,
            reloads,
            last_reload,
            reload_good,
            script_errors,
            assumption_breaks,
            decisions_lost,
        }
    }

    /// A request that `policy` decided has ended. `route` is empty where none took it.
    pub fn request(&self, policy: Arc<str>, route: Arc<str>, outcome: Outcome) {
        let labels = RequestLabels { policy: Word(policy), route: Word(route), outcome };
        self.requests.get_or_create(&labels).inc();
    }

    /// A request was answered with this error before any policy saw it.
    pub fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&CodeLabels { code }).inc();
    }

    /// These policies decide from now on: names and generations.
    pub fn policies(&self, active: impl Iterator<Item = (Arc<str>, String)>) {
        self.policies.clear();
        for (policy, generation) in active {
            self.policies.get_or_create(&PolicyLabels { policy: Word(policy), generation }).set(1);
        }
    }

    /// A change was taken over, or refused, at this moment.
    pub fn reloaded(&self, good: bool, at: jiff::Timestamp) {
        let labels = ReloadLabels { result: if good { "success" } else { "failure" } };
        self.reloads.get_or_create(&labels).inc();
        self.last_reload.get_or_create(&labels).set(at.as_millisecond() as f64 / 1_000.0);
        self.reload_good.set(i64::from(good));
    }

    /// How often a script of a policy has failed for a reason since the policy was loaded. The
    /// scripts count themselves; here is where it is said.
    pub fn script_errors(
        &self,
        policy: Arc<str>,
        script: Arc<str>,
        reason: &'static str,
        count: u64,
    ) {
        let labels = ScriptLabels { policy: Word(policy), script: Word(script), reason };
        let counter = self.script_errors.get_or_create(&labels);
        counter.inner().store(count, std::sync::atomic::Ordering::Relaxed);
    }

    /// A request broke an assumption.
    pub fn assumption_broken(&self, policy: Arc<str>, assumption: Arc<str>) {
        let labels = AssumptionLabels { policy: Word(policy), assumption: Word(assumption) };
        self.assumption_breaks.get_or_create(&labels).inc();
    }

    /// A line of the decision log was not written; whether it is the first.
    pub fn decision_lost(&self) -> bool {
        self.decisions_lost.inc() == 0
    }

    /// All figures as text, of [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_printed_and_labels_cannot_break_the_format() {
        let metrics = Metrics::new();
        for _ in 0..2 {
            metrics.request("main".into(), "a\"b\\\nc".into(), Outcome::Answered);
        }
        metrics.refused("unknown_policy");
        metrics.policies([("main".into(), "0011".to_owned())].into_iter());
        metrics.policies([("main".into(), "2233".to_owned())].into_iter());
        metrics.reloaded(true, jiff::Timestamp::from_millisecond(1_500).unwrap());
        metrics.reloaded(false, jiff::Timestamp::from_millisecond(2_500).unwrap());
        metrics.script_errors("main".into(), "judge".into(), "limit", 1);
        metrics.assumption_broken("main".into(), "line 3".into());
        assert!(metrics.decision_lost() && !metrics.decision_lost());
        let text = metrics.text();
        for line in [
            r#"pointsman_requests_total{policy="main",route="a\"b\\\nc",outcome="answered"} 2"#,
            r#"pointsman_requests_refused_total{code="unknown_policy"} 1"#,
            r#"pointsman_policy_info{policy="main",generation="2233"} 1"#,
            r#"pointsman_reloads_total{result="failure"} 1"#,
            r#"pointsman_last_reload_timestamp_seconds{result="success"} 1.5"#,
            "pointsman_last_reload_successful 0",
            r#"pointsman_script_errors_total{policy="main",script="judge",reason="limit"} 1"#,
            r#"pointsman_assumption_breaks_total{policy="main",assumption="line 3"} 1"#,
            "pointsman_decision_log_lost_total 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("0011") && text.ends_with("# EOF\n"), "{text}");
    }
}
