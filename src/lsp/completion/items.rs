//! Completions as editors take them.

use lsp_types::{
    CompletionItem, CompletionItemKind as Icon, CompletionItemTextEdit, Documentation,
    InsertTextFormat, MarkupContent, MarkupKind, Range, TextEdit,
};

use super::super::index::{Declaration, Kind};
use super::super::{hover, words};
use crate::catalog::Model;
use crate::policy::schema::{AttrDef, Index};
use crate::policy::syntax::words::Place;
use crate::units::NanoDollars;

/// What was found so far.
pub struct Items {
    /// In the order in which it shall be shown.
    pub found: Vec<CompletionItem>,
    range: Range,
    snippets: bool,
}

impl Items {
    /// Nothing yet; all will replace this range. Snippets only where the editor knows them.
    pub fn new(range: Range, snippets: bool) -> Items {
        Items { found: Vec::new(), range, snippets }
    }

    fn add(&mut self, label: &str, text: &str, icon: Icon, detail: String, doc: String) {
        if self.found.iter().any(|item| item.label == label) {
            return;
        }
        let markup = MarkupContent { kind: MarkupKind::Markdown, value: doc };
        let is_snippet = self.snippets && text.contains('$') && text != label;
        self.found.push(CompletionItem {
            label: label.to_owned(),
            kind: Some(icon),
            detail: (!detail.is_empty()).then_some(detail),
            documentation: (!markup.value.is_empty())
                .then_some(Documentation::MarkupContent(markup)),
            // Editors sort by this, and so keep our order.
            sort_text: Some(format!("{:05}", self.found.len())),
            // Editors filter by what is typed, which may begin with signs of its own.
            filter_text: Some(label.to_owned()),
            insert_text_format: is_snippet.then_some(InsertTextFormat::Snippet),
            text_edit: Some(CompletionItemTextEdit::TextEdit(TextEdit {
                range: self.range,
                new_text: if is_snippet || !text.contains('$') { text } else { label }.to_owned(),
            })),
            ..CompletionItem::default()
        });
    }

    /// Words as they are.
    pub fn words(&mut self, all: &[&str], icon: Icon) {
        for word in all {
            let first = word.split(' ').next().unwrap_or(word);
            let doc = words::doc(first, Place::Body).unwrap_or_default();
            self.add(word, word, icon, String::new(), doc.to_owned());
        }
    }

    /// A text with places to fill in. Editors without snippets are not offered it.
    pub fn snippet(&mut self, label: &str, text: &str, doc: &str) {
        if self.snippets {
            self.add(label, text, Icon::Snippet, String::new(), doc.to_owned());
        }
    }

    /// A word that starts a line, with the rest of such a line to fill in.
    pub fn statement(&mut self, word: &str, place: Place) {
        let text = snippet_of(word, place).unwrap_or(word);
        let doc = words::doc(word, place).unwrap_or_default();
        self.add(word, text, Icon::Keyword, place.line().to_owned(), doc.to_owned());
    }

    /// A name of the policy, as it is written here.
    pub fn declared(&mut self, name: &str, declaration: &Declaration) {
        let icon = match declaration.kind {
            Kind::Pool | Kind::Ladder | Kind::Split | Kind::Experiment => Icon::Class,
            Kind::Condition | Kind::List => Icon::Variable,
            Kind::Enum => Icon::Enum,
            Kind::Attribute => Icon::Property,
            Kind::Schedule => Icon::Constant,
            _ => Icon::Function,
        };
        self.add(name, name, icon, declaration.kind.word().to_owned(), declaration.doc.clone());
    }

    /// An attribute of the schema.
    pub fn attribute(&mut self, def: &AttrDef) {
        let label = def.name.replace("[]", "[\"…\"]");
        let text = match def.index {
            Index::None => def.name.to_owned(),
            _ if self.snippets => def.name.replace("[]", "[\"$1\"]"),
            _ => def.name.replace("[]", "[\"\"]"),
        };
        let optional = if def.optional { "?" } else { "" };
        self.add(
            &label,
            &text,
            Icon::Property,
            format!("{}{optional}", def.ty),
            hover::attribute(def),
        );
    }

    /// A model of the catalogue; those that a policy names already come before the others.
    pub fn model(&mut self, model: &Model, is_named: bool) {
        let detail = model.prices.as_ref().map_or_else(String::new, |prices| {
            let (input, output) =
                (NanoDollars(prices.base.input.0), NanoDollars(prices.base.output.0));
            format!("${input} in, ${output} out, per Mtok")
        });
        let id = model.id.as_str();
        self.add(id, id, Icon::Value, detail, String::new());
        if let Some(item) = self.found.last_mut().filter(|item| item.label == id) {
            item.sort_text = Some(format!("{}{id}", if is_named { "5" } else { "6" }));
        }
    }
}

fn snippet_of(word: &str, place: Place) -> Option<&'static str> {
    Some(match (place, word) {
        (Place::File, "language") => "language ${1:1}",
        (Place::File, "import") => "import \"${1:shared/pools.policy}\" as ${2:shared}",
        (Place::File, "enum") => "enum ${1:name} = ${2:first} | ${3:second}",
        (Place::File, "attribute") => {
            "attribute ${1:key.tier}: ${2:tier} from ${3:key.meta[\"plan\"]} else ${4:free}"
        }
        (Place::File, "let") => "let ${1:name} = ${2:input.tokens > 32k}",
        (Place::File, "schedule") => {
            "schedule ${1:office} = ${2:mon..fri} ${3:09:00..18:00} ${4:Europe/Berlin}"
        }
        (Place::File, "assume") => "assume not (${1:condition})",
        (Place::File, "pool") => {
            "pool ${1:name} = ${2:models where quality >= 60} pick ${3|cheapest,fastest,best,first,least-busy,round-robin|}"
        }
        (Place::File, "ladder") => {
            "ladder ${1:name} {\n  hold full\n  step ${2:draft} -> ${3:small} escalate when failed or refused\n  step ${4:final} -> ${5:large}\n}"
        }
        (Place::File, "split") => {
            "split ${1:name} by ${2:user.id} {\n  ${3:candidate} ${4:10%} -> ${5:candidate}\n  control rest -> ${6:control}\n}"
        }
        (Place::File, "experiment") => {
            "experiment ${1:name} by ${2:user.id} {\n  arm ${3:candidate} ${4:10%} -> ${5:candidate}\n  arm control rest -> ${6:control}\n  metric cost, ttft.p95\n  guard error_rate < 2% over 500 samples else halt to control\n}"
        }
        (Place::File, "budget") => {
            "budget ${1:name} ${2:\\$100} per ${3|month,week,day,hour|} per ${4:key.team} {\n  at 80% warn\n  at 100% deny \"${5:The budget is used up}\"\n}"
        }
        (Place::File, "limit") => "limit ${1:name} ${2:60/min} per ${3:key.id} else ${4:queue 10s}",
        (Place::File, "deny") => "deny ${1:name} when ${2:condition} because \"${3:why}\"",
        (Place::File, "require") => {
            "require ${1:name} when ${2:condition} only models where ${3:condition}"
        }
        (Place::File, "defaults") => "defaults {\n  $0\n}",
        (Place::File, "tune") => "tune ${1:name} when ${2:condition} {\n  $0\n}",
        (Place::File, "route") => "route ${1:name} when ${2:condition} -> ${3:target}",
        (Place::File, "default") => "default -> ${1:target}",
        (Place::File, "delegate") => {
            "delegate ${1:name} when ${2:condition} to \"${3:teams/name.policy}\""
        }
        (Place::File, "alias") => "alias \"${1:gpt-4}\" -> ${2:target}",
        (Place::File, "invariant") => {
            "invariant ${1:name} when ${2:condition} {\n  ${3:max_cost <= \\$1}\n}"
        }
        (Place::File, "test") => {
            "test \"${1:what}\" {\n  given ${2:task = code}\n  expect ${3:route == default}\n}"
        }
        (Place::Body, "only") => "only models where ${1:condition}",
        (Place::Body, "floor") => "floor ${1:quality} >= ${2:60}",
        (Place::Body, "timeout") => {
            "timeout ${1|total,ttft,attempt,idle,connect,headers|} ${2:60s}"
        }
        (Place::Body, "retry") => "retry ${1:1} on ${2:transient} backoff ${3:200ms..2s}",
        (Place::Body, "fallback") => "fallback ${1:target} on ${2:transient}",
        (Place::Body, "hedge") => "hedge after ${1:p95} to ${2:target} max ${3:1}",
        (Place::Body, "cap") => "cap ${1:\\$0.10} per request else ${2:deny \"Too expensive\"}",
        (Place::Body, "set") => "set ${1:temperature} ${2|=,<=,>=|} ${3:0.2}",
        (Place::Body, "prompt") => "prompt ${1|prepend,append,replace|} \"${2:text}\"",
        (Place::Body, "cache") => "cache ${1:exact} ttl ${2:1h}",
        (Place::Body, "sticky") => "sticky by ${1:session.id} for ${2:30min}",
        (Place::Body, "shadow") => "shadow ${1:1%} to ${2:target}",
        (Place::Body, "tag") => "tag ${1:name} = ${2:value}",
        (Place::Body, "log") => "log bodies ${1|off,on|}",
        (Place::Body, "pick") => "pick ${1|cheapest,fastest,best,first,least-busy,round-robin|}",
        (Place::Body | Place::Ladder, "hold") => "hold ${1|full,none|}",
        (Place::Ladder, "step") => {
            "step ${1:name} -> ${2:target} escalate when ${3:failed or refused}"
        }
        (Place::Ladder, "max_cost") => "max_cost ${1:\\$0.05}",
        (Place::Ladder, "deadline") => "deadline ${1:45s}",
        (Place::Split, "rest") => "rest -> ${1:target}",
        (Place::Experiment, "arm") => "arm ${1:name} ${2:10%} -> ${3:target}",
        (Place::Budget, "at") => "at ${1:80%} ${2:warn}",
        (Place::Invariant, "every" | "some" | "no") => return None,
        (Place::Test, "given") => "given ${1:task = code}",
        (Place::Test, "attempt") => "attempt ${1:1} ${2:refused}",
        (Place::Test, "expect") => "expect ${1:route == default}",
        _ => return None,
    })
}
