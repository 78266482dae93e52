//! `pointsman simulate`

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::{DONE, FAILED, FAULTS, check, output};
use crate::catalog::Catalog;
use crate::policy::program::Program;
use crate::policy::syntax;
use crate::replay::{Replay, Report, Worker};
use crate::units::NanoDollars;

/// How much of the log is handed to a thread at once, in bytes.
const PIECE: u64 = 1 << 20;

/// Say what a policy would have done with the requests of a decision log. Nothing is sent anywhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman serve --decision-log decisions.jsonl\n  pointsman \
simulate draft.policy --log decisions.jsonl\n  pointsman simulate draft.policy --baseline \
main.policy --log decisions.jsonl --json")]
pub struct Args {
    /// The policy that might come.
    draft: PathBuf,
    /// A decision log; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// Compare with what this policy would have done, instead of with what was done.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// The configuration whose models are meant.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Why there is no report.
enum Trouble {
    /// A policy has errors.
    Faults(String),
    /// Something could not be read.
    Failed(String),
}

pub(super) fn run(args: &Args) -> u8 {
    match simulate(args) {
        Ok(report) if args.json => {
            output::line(serde_json::json!(report).to_string());
            DONE
        }
        Ok(report) => {
            print(&report);
            DONE
        }
        Err(Trouble::Faults(text)) => {
            output::problem(text);
            FAULTS
        }
        Err(Trouble::Failed(text)) => {
            output::problem(text);
            FAILED
        }
    }
}

fn simulate(args: &Args) -> Result<Report, Trouble> {
    let (catalog, _) = check::catalog_of(args.config.clone())
        .map_err(|problems| Trouble::Failed(problems.to_string()))?;
    let draft = program(&args.draft, &catalog)?;
    let baseline = args.baseline.as_ref().map(|file| program(file, &catalog)).transpose()?;
    let unreadable = |error: io::Error| Trouble::Failed(format!("{}: {error}", args.log.display()));
    let log: Box<dyn Read> = if args.log.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(&args.log).map_err(unreadable)?)
    };
    let report = replay(log, &Replay { draft, baseline }).map_err(unreadable)?;
    if report.requests == 0 {
        let why = match &report.first_broken_line {
            Some((line, why)) => format!("line {line}: {why}"),
            None => "it is empty".to_owned(),
        };
        let file = args.log.display();
        return Err(Trouble::Failed(format!("{file} has no line of a decision log: {why}")));
    }
    Ok(report)
}

fn program(file: &Path, catalog: &Arc<Catalog>) -> Result<Arc<Program>, Trouble> {
    let checked = check::compile(file, catalog).map_err(Trouble::Failed)?;
    let compiled = checked.compiled;
    compiled.program.ok_or_else(|| {
        let found = compiled.diagnostics.iter();
        let shown =
            found.map(|it| syntax::render(it, &compiled.sources, output::errors_have_colors()));
        let shown: Vec<String> = shown.collect();
        Trouble::Faults(if shown.is_empty() {
            format!("{} only declares names for others and decides nothing", file.display())
        } else {
            shown.join("\n\n")
        })
    })
}

/// A piece of a log: whole lines, and the number of the first.
struct Piece {
    first: u64,
    text: Vec<u8>,
}

/// Replays a log on all processors.
fn replay(log: impl Read, replay: &Replay) -> io::Result<Report> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = sync_channel(threads);
    let receiver = Mutex::new(receiver);
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| work(&receiver, replay))).collect();
        let cut = cut(log, &sender);
        drop(sender);
        let mut all = Worker::new(replay.clone());
        for worker in workers {
            match worker.join() {
                Ok(worker) => all = all.with(worker),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        cut.map(|()| all.report())
    })
}

/// Cuts a log into pieces, each of whole lines.
fn cut(log: impl Read, sender: &SyncSender<Piece>) -> io::Result<()> {
    let mut log = BufReader::with_capacity(1 << 16, log);
    let mut first = 1;
    loop {
        let mut text = Vec::with_capacity(PIECE as usize + (1 << 14));
        log.by_ref().take(PIECE).read_to_end(&mut text)?;
        log.read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(());
        }
        let lines = memchr::memchr_iter(b'\n', &text).count() as u64;
        // Nobody takes it only when all threads have panicked, which is told when they are joined.
        let _ = sender.send(Piece { first, text });
        first += lines;
    }
}

fn work(pieces: &Mutex<Receiver<Piece>>, replay: &Replay) -> Worker {
    let mut worker = Worker::new(replay.clone());
    loop {
        let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(piece) = next else { return worker };
        // What is no text is no JSON either, and is counted as such.
        let text = String::from_utf8_lossy(&piece.text);
        for (number, line) in (piece.first..).zip(text.lines()) {
            worker.line(number, line);
        }
    }
}

fn print(report: &Report) {
    let share = |part: u64| percent(part as f64 / report.requests.max(1) as f64);
    output::line(format!(
        "{} requests: {} would take another route ({}), {} would ask another model first ({})",
        report.requests,
        report.route_changes,
        share(report.route_changes),
        report.model_changes,
        share(report.model_changes)
    ));
    if report.newly_refused + report.newly_answered > 0 {
        output::line(format!(
            "{} that were answered would be refused, {} that were refused would be answered",
            report.newly_refused, report.newly_answered
        ));
    }
    output::line("");
    let title = ["asked first", "before", "", "after", "", "median time", "not good enough"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    for row in &report.models {
        rows.push(vec![
            row.model.clone(),
            row.before.to_string(),
            share(row.before),
            row.after.to_string(),
            share(row.after),
            row.latency_ms.map_or_else(|| "?".into(), |ms| format!("{ms:.0} ms")),
            row.rejected.map_or_else(|| "?".into(), percent),
        ]);
    }
    output::table(&rows);
    output::line("");
    let money = &report.money;
    let mut rows = vec![["", "before", "after", ""].map(str::to_owned).to_vec()];
    rows.push(vec![
        "expected cost".into(),
        dollars(money.before),
        dollars(money.after),
        format!("{} billed at the time", dollars(money.billed)),
    ]);
    let time = |ms: Option<f64>| ms.map_or_else(|| "?".into(), |ms| format!("{ms:.0} ms"));
    rows.push(vec![
        "expected time".into(),
        time(report.latency_ms.0),
        time(report.latency_ms.1),
        format!(
            "known for {} and {}",
            percent(report.latency_known.0),
            percent(report.latency_known.1)
        ),
    ]);
    let (logged, before, after) = report.escalated;
    rows.push(vec![
        "go up a step".into(),
        percent(before),
        percent(after),
        format!("{} at the time", percent(logged)),
    ]);
    output::table(&rows);
    if !report.changes.is_empty() {
        output::line("\nmost common changes");
    }
    for change in &report.changes {
        output::line(format!("  {:>8}  {}", change.requests, change.before));
        output::line(format!("            {}", change.after));
        let facts = change.facts.iter().map(|(name, value)| format!("{name} = {value}"));
        let facts: Vec<String> = facts.collect();
        output::line(format!(
            "            such as {} (line {}): {}",
            change.id,
            change.line,
            facts.join(", ")
        ));
    }
    if report.other_changes > 0 {
        output::line(format!("  {:>8}  in other ways", report.other_changes));
    }
    output::line("");
    for note in &report.notes {
        output::line(format!("note: {note}"));
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// To the hundredth of a cent, which is as much as anybody reads.
fn dollars(amount: NanoDollars) -> String {
    format!("${:.4}", amount.0 as f64 / 1e9)
}
