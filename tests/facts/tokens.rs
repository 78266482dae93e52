//! The token estimate against exact counts of `o200k_base`.

use std::collections::BTreeMap;

use pointsman::dialect::openai_chat::Request;
use pointsman::dialect::shape::SegmentRole;
use pointsman::facts::tokens::estimate;
use pointsman::policy::schema::{Attr, AttrRef};
use pointsman::policy::value::{Facts, Value};

use crate::bench::{prompt, rows};
use crate::{asked, data, facts};

/// Texts of at least so many tokens: below, one token more or less is a large share.
const LEAST: usize = 20;

/// Estimates and exact counts of one kind of text.
#[derive(Default)]
struct Errors(Vec<(f64, f64)>);

impl Errors {
    fn add(&mut self, estimate: u64, exact: usize) {
        self.0.push((estimate as f64, exact as f64));
    }

    /// The mean, median and 95th percentile of the relative error, and the bias of the sum.
    fn figures(&self) -> [f64; 4] {
        let mut relative: Vec<f64> =
            self.0.iter().map(|(estimate, exact)| (estimate - exact).abs() / exact).collect();
        relative.sort_by(f64::total_cmp);
        let mean = relative.iter().sum::<f64>() / relative.len() as f64;
        let at = |share: f64| relative[((relative.len() - 1) as f64 * share) as usize];
        let sum = |which: fn(&(f64, f64)) -> f64| self.0.iter().map(which).sum::<f64>();
        [mean, at(0.5), at(0.95), sum(|it| it.0) / sum(|it| it.1) - 1.0]
    }
}

fn table(title: &str, kinds: &BTreeMap<String, Errors>) {
    println!("\n{title:<28} {:>6} {:>7} {:>7} {:>7} {:>7}", "texts", "mean", "p50", "p95", "bias");
    for (kind, errors) in kinds {
        let [mean, p50, p95, bias] = errors.figures().map(|figure| figure * 100.0);
        println!(
            "{kind:<28} {:>6} {mean:>6.1}% {p50:>6.1}% {p95:>6.1}% {bias:>+6.1}%",
            errors.0.len()
        );
    }
}

#[test]
fn texts_of_recorded_requests() {
    let Some(root) = data("POINTSMAN_WIRE", "wire", "index.json") else { return };
    let index = std::fs::read(root.join("index.json")).unwrap();
    let index: Vec<serde_json::Value> = serde_json::from_slice(&index).unwrap();
    let (mut kinds, mut reported) = (BTreeMap::<String, Errors>::new(), Errors::default());
    for row in index.iter().filter(|row| row["api"] == "openai.chat") {
        let file = std::fs::read(root.join(row["file"].as_str().unwrap())).unwrap();
        let it: serde_json::Value = serde_json::from_slice(&file).unwrap();
        let body = it["request"]["body"].to_string();
        let Ok(request) = Request::read(body.clone().into()) else { continue };
        for (kind, role) in [
            ("system", SegmentRole::System),
            ("last user turn", SegmentRole::LastUser),
            ("earlier turns, tool results", SegmentRole::Other),
            ("tools (as they stand)", SegmentRole::Tools),
        ] {
            let text: String = request.shape().texts(request.object().body(), role).collect();
            let exact = bpe_openai::o200k_base().count(&text);
            if exact >= LEAST {
                kinds.entry(kind.to_owned()).or_default().add(estimate(&text).0, exact);
            }
        }
        // What OpenAI itself counted, where a prompt is text alone.
        let counted = it["response"]["body"]["usage"]["prompt_tokens"].as_u64();
        let plain =
            request.shape().images == 0 && request.shape().files == 0 && !request.shape().audio;
        if let (Some(counted), true, "openai") = (counted, plain, it["provider"].as_str().unwrap())
            && counted >= LEAST as u64
        {
            reported.add(facts(body).unwrap().input_tokens().0, counted as usize);
        }
    }
    table("recorded requests", &kinds);
    let all = BTreeMap::from([("as OpenAI reported".to_owned(), reported)]);
    table("whole requests", &all);
    for (kind, errors) in &kinds {
        let [mean, _, _, bias] = errors.figures();
        assert!(mean < 0.12 && bias.abs() < 0.10, "{kind}: mean {mean:.3}, bias {bias:.3}");
    }
    let [mean, _, _, bias] = all["as OpenAI reported"].figures();
    assert!(mean < 0.22 && bias.abs() < 0.10, "mean {mean:.3}, bias {bias:.3}");
}

#[test]
fn public_prompts_by_language() {
    let Some(root) = data("POINTSMAN_ROUTING_BENCH", "routing-bench", "datasets.json") else {
        return;
    };
    let mut kinds = BTreeMap::<String, Errors>::new();
    for dataset in
        ["routellm-mmlu", "routellm-gsm8k", "llmrouter", "zeroeval-crux", "mmlu-pro", "bfcl"]
    {
        for row in rows(&root, dataset) {
            let text = prompt(&row);
            let exact = bpe_openai::o200k_base().count(text);
            if exact < LEAST {
                continue;
            }
            let facts = asked(text);
            let code = facts.get(&AttrRef::plain(Attr::InputHasCode)) == Value::Bool(true);
            let language = match facts.get(&AttrRef::plain(Attr::InputLanguage)) {
                _ if code => "code",
                Value::Str(language) => language,
                _ => "unclear",
            };
            let estimate = estimate(text).0;
            kinds.entry(language.to_owned()).or_default().add(estimate, exact);
            kinds.entry(format!("({dataset})")).or_default().add(estimate, exact);
        }
    }
    table("public prompts", &kinds);
    for (kind, errors) in kinds.iter().filter(|(_, errors)| errors.0.len() >= 50) {
        let [mean, _, _, bias] = errors.figures();
        assert!(mean < 0.10 && bias.abs() < 0.09, "{kind}: mean {mean:.3}, bias {bias:.3}");
    }
}

/// A paragraph in each of some languages, so that the bounds hold where no data is at hand.
#[test]
fn some_languages() {
    for (language, text, bound) in [
        (
            "en",
            "The gateway reads the request once, decides where it goes, and forwards the answer as it comes. Nothing is buffered beyond what the plan says, and every attempt is written down with its cost.",
            0.12,
        ),
        (
            "de",
            "Das Gateway liest die Anfrage einmal, entscheidet, wohin sie geht, und reicht die Antwort weiter, sobald sie kommt. Jeder Versuch wird mit seinen Kosten aufgeschrieben.",
            0.25,
        ),
        (
            "fr",
            "La passerelle lit la requête une seule fois, décide où elle va et transmet la réponse dès qu'elle arrive. Chaque tentative est notée avec son coût.",
            0.25,
        ),
        (
            "es",
            "La pasarela lee la solicitud una sola vez, decide adónde va y transmite la respuesta en cuanto llega. Cada intento se anota con su coste.",
            0.25,
        ),
        (
            "ru",
            "Шлюз читает запрос один раз, решает, куда его направить, и передаёт ответ по мере поступления. Каждая попытка записывается вместе со стоимостью.",
            0.30,
        ),
        (
            "zh",
            "网关只读取一次请求，决定请求的去向，并在答案到达时立即转发。每次尝试都会连同其费用一起记录下来。",
            0.30,
        ),
        (
            "ja",
            "ゲートウェイはリクエストを一度だけ読み取り、送信先を決定し、回答が届き次第転送します。すべての試行は費用とともに記録されます。",
            0.30,
        ),
        (
            "code",
            "fn main() {\n    let args: Vec<String> = std::env::args().collect();\n    for (index, arg) in args.iter().enumerate() {\n        println!(\"{index}: {arg}\");\n    }\n}\n",
            0.25,
        ),
        (
            "json",
            "{\"id\": \"chatcmpl-1\", \"object\": \"chat.completion\", \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"Hello\"}, \"finish_reason\": \"stop\"}]}",
            0.25,
        ),
    ] {
        let exact = bpe_openai::o200k_base().count(text) as f64;
        let error = estimate(text).0 as f64 / exact - 1.0;
        println!("{language:<6} {exact:>4} {:>+6.1}%", error * 100.0);
        assert!(error.abs() < bound, "{language}: {error:+.3}");
    }
}
