//! Headers and settings of requests: caches, retries, clocks.

use super::super::portkey::tags_note;
use super::super::registry::Secret;
use super::super::source::Node;
use super::super::write::{self, name};
use super::Work;
use crate::policy::syntax::tree::{CacheStmt, LogShare, Stmt};

/// What a request's headers say; its credentials go to `keys`.
pub(super) fn headers_of(headers: &Node<'_>, work: &Work<'_>, keys: &mut Vec<Secret>) -> Vec<Stmt> {
    let mut retry = Retry::default();
    let mut stmts = Vec::new();
    for (key, value) in headers.entries() {
        let number = || value.number();
        match key.to_lowercase().as_str() {
            "authorization" | "x-api-key" | "api-key" | "x-goog-api-key" => {
                let text = value.text().unwrap_or_default();
                let text = text.trim_start_matches("Bearer ").trim_start_matches("bearer ");
                match Secret::read(text) {
                    Secret::Env(variable) => keys.push(Secret::Env(variable)),
                    Secret::Literal(_) => work.report.drop(
                        &value,
                        "a credential",
                        "keys are not copied; the provider's usual environment variable is read",
                    ),
                }
            }
            "content-type" | "accept" => {
                work.report.drop(&value, format!("`{key}`"), "Pointsman sets it")
            }
            "cf-aig-cache-ttl" | "cf-cache-ttl" => {
                if let Some(stmt) = number().and_then(write::cache) {
                    work.report.taken(value.path(), "`cache exact ttl`");
                    stmts.push(stmt);
                }
            }
            "cf-aig-skip-cache" | "cf-skip-cache" => {
                if value.scalar().as_deref() == Some("true") {
                    work.report.taken(value.path(), "`cache off`");
                    stmts.push(Stmt::Cache(CacheStmt::Off));
                }
            }
            "cf-aig-max-attempts" => retry.attempts = number(),
            "cf-aig-retry-delay" => retry.delay = number(),
            "cf-aig-backoff" => retry.backoff = value.text(),
            "cf-aig-request-timeout" => {
                if let Some(stmt) = number().and_then(|ms| write::timeout("ttft", ms)) {
                    work.report.taken(value.path(), "`timeout ttft`");
                    stmts.push(stmt);
                }
            }
            "cf-aig-authorization" => {
                work.report.drop(
                    &value,
                    "the gateway's token",
                    "give clients `keys:` in pointsman.yaml",
                );
            }
            "cf-aig-collect-log" => {
                if value.scalar().as_deref() == Some("false") {
                    let share = write::at(LogShare::Off);
                    stmts.push(Stmt::Log { what: name("bodies"), share });
                    work.report.changed(
                        value.path(),
                        "`log bodies off`",
                        "that a request was made is still logged",
                    );
                }
            }
            "cf-aig-metadata" => tags_note_of(&value, work),
            _ => {
                work.report.drop(&value, format!("the header `{key}`"), "no setting stands for it")
            }
        }
    }
    stmts.extend(retry.stmt(headers.path(), work));
    one_cache(stmts)
}

fn tags_note_of(value: &Node<'_>, work: &Work<'_>) {
    value.done();
    work.report.taken(value.path(), "tags, which clients send");
    tags_note(work, "cf-aig-metadata");
}

/// `cache off` wins over a time to live.
pub(super) fn one_cache(mut stmts: Vec<Stmt>) -> Vec<Stmt> {
    if stmts.contains(&Stmt::Cache(CacheStmt::Off)) {
        stmts.retain(|stmt| !matches!(stmt, Stmt::Cache(CacheStmt::On { .. })));
    }
    stmts
}

/// What the `config` of a step says.
pub(super) fn config_of(config: &Node<'_>, work: &Work<'_>) -> Vec<Stmt> {
    let mut stmts = Vec::new();
    let number = |key: &str| config.get(key).and_then(|it| it.number());
    if let Some(stmt) = number("requestTimeout").and_then(|ms| write::timeout("ttft", ms)) {
        work.report.taken(config.path(), "`timeout ttft`");
        stmts.push(stmt);
    }
    let retry = Retry {
        attempts: number("maxAttempts"),
        delay: number("retryDelay"),
        backoff: config.text_of("backoff"),
    };
    stmts.extend(retry.stmt(config.path(), work));
    if let Some(stmt) = number("cacheTtl").and_then(write::cache) {
        stmts.push(stmt);
    }
    if config.is_on("skipCache") {
        stmts.push(Stmt::Cache(CacheStmt::Off));
    }
    one_cache(stmts)
}

/// How failed attempts are made again.
#[derive(Default)]
pub(super) struct Retry {
    pub attempts: Option<f64>,
    pub delay: Option<f64>,
    pub backoff: Option<String>,
}

impl Retry {
    pub(super) fn stmt(self, path: &str, work: &Work<'_>) -> Option<Stmt> {
        let Some(attempts) = self.attempts.filter(|it| (1.0..=100.0).contains(it)) else {
            if self.backoff.is_some() || self.delay.is_some() {
                work.report.left(path, "waits between retries", "no number of attempts is said");
            }
            return None;
        };
        let attempts = attempts as u64;
        match self.backoff.as_deref() {
            None => {}
            Some("exponential") => {
                work.report.taken(path, "waits between retries grow exponentially, as always");
            }
            Some(other) => work.report.changed(
                path,
                format!("waits between retries grow exponentially instead of `{other}`"),
                "Pointsman knows no other backoff",
            ),
        }
        work.report.taken(path, format!("`retry {attempts}`"));
        Some(write::retry(attempts, &["transient"], self.delay))
    }
}
