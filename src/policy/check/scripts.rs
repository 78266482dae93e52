//! Scripts and classifiers that a policy names: read, compiled, given their attributes, tried once.

use std::sync::Arc;
use std::time::Duration;

use super::Checker;
use super::conditions::Scope;
use crate::facts::classifier::{self, Kind};
use crate::policy::codes;
use crate::policy::cond::{DeclaredSource, Operand, Reading};
use crate::policy::diagnostic::{Diagnostic, Label, did_you_mean};
use crate::policy::load::joined;
use crate::policy::models::StaticModel;
use crate::policy::schema::Type;
use crate::policy::scripted::{BoundScript, Input};
use crate::policy::syntax::tree::{self, AttrPart, AttrPath, Span};
use crate::policy::value::Facts;
use crate::script::{Entry, Limits, Mention, Reason, Script, ScriptError, Spot, mentions};

impl Checker<'_> {
    /// Reads a script, compiles it, gives it the attributes that its header names and tries it on a
    /// request of defaults. `reading` is what its answers have to be.
    pub(super) fn script(
        &mut self,
        file: &tree::Text,
        knobs: &[tree::Knob],
        entry: Entry,
        reading: &Reading,
    ) -> Option<Arc<BoundScript>> {
        let limits = self.limits(knobs);
        let source = match self.read_file(&file.node) {
            Ok(source) => source,
            Err(reason) => {
                self.report(
                    Diagnostic::error(
                        codes::UNREADABLE_FILE,
                        file.span,
                        format!("cannot read `{}`", file.node),
                        reason,
                    )
                    .help("the path is relative to the policy's folder"),
                );
                return None;
            }
        };
        let script = match Script::compile(&file.node, &source, entry, limits) {
            Ok(script) => script,
            Err(error) => {
                let at = match &error {
                    ScriptError::Syntax { at, .. } => *at,
                    _ => None,
                };
                let unusable = format!("the script `{}` cannot be used", file.node);
                self.blame(file, &source, at, (unusable, error.to_string()), None);
                return None;
            }
        };
        let before = self.diagnostics.len();
        let inputs = mentions(&source)
            .into_iter()
            .filter_map(|mention| self.input(file, &source, entry, &mention))
            .collect();
        if self.diagnostics.len() > before {
            return None;
        }
        let scripted = BoundScript { script, inputs };
        let catalog = self.catalog().clone();
        let model = catalog.models().first().map(StaticModel);
        let model = model.as_ref().map(|model| model as &dyn Facts);
        if let Err(failure) = scripted.tried(reading, model) {
            let message =
                format!("the script `{}` fails on a request of which nothing is said", file.node);
            let help = (failure.reason == Reason::Error).then_some(
                "a script sees what its header names (`// uses: key.team`); what a request lacks \
                 is `()`",
            );
            self.blame(file, &source, failure.at, (message, failure.message), help);
            return None;
        }
        let scripted = Arc::new(scripted);
        self.scripts.push(scripted.clone());
        Some(scripted)
    }

    /// A judge by the name in brackets: the script of that name beside the policy.
    pub(super) fn judge(&mut self, name: &str, span: Span) -> Option<Arc<BoundScript>> {
        let file = if name.ends_with(".rhai") { name.to_owned() } else { format!("{name}.rhai") };
        let key = (self.units[self.unit].folder.clone(), file.clone());
        if let Some(known) = self.judges.get(&key) {
            return known.clone();
        }
        let file = tree::Text::new(file, span);
        let judge = self.script(&file, &[], Entry::Judge, &Reading::share());
        self.judges.insert(key, judge.clone());
        judge
    }

    /// Tells what is wrong with a script, at the place in its own text where that is known.
    fn blame(
        &mut self,
        file: &tree::Text,
        source: &str,
        at: Option<Spot>,
        (message, reason): (String, String),
        help: Option<&str>,
    ) {
        let diagnostic = match at {
            None => Diagnostic::error(codes::BAD_SCRIPT, file.span, message, reason),
            Some(at) => {
                let base = self.attach(&file.node, source);
                let start = base + at.byte(source) as u32;
                let wide = source[at.byte(source)..].chars().next().map_or(0, char::len_utf8);
                let span = Span { start, end: start + wide as u32 };
                Diagnostic::error(codes::BAD_SCRIPT, span, message, reason)
                    .also(file.span, "the script is named here")
            }
        };
        self.report(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    /// Makes places in a script's text known; the number that they are shifted by.
    fn attach(&mut self, name: &str, source: &str) -> u32 {
        let root = self.sources.files().next().map_or("", |file| &**file);
        let folder = root.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder);
        let inside = joined(&self.units[self.unit].folder, name);
        let shown = joined(folder, &inside);
        let known = self.attached.iter().find(|known| known.file == shown && known.text == source);
        if let Some(known) = known {
            return known.base;
        }
        let end = self
            .attached
            .last()
            .map_or(self.sources.text().len() as u32, |last| last.base + last.text.len() as u32);
        // Texts lie behind each other with a line break between them.
        let base = end + 1;
        self.attached.push(super::Attached { file: shown, text: source.to_owned(), base });
        base
    }

    /// One attribute of a script's header.
    fn input(
        &mut self,
        file: &tree::Text,
        source: &str,
        entry: Entry,
        mention: &Mention<'_>,
    ) -> Option<Input> {
        let refuse = |it: &mut Self, message: String, label: &str, help: Option<&str>| {
            let base = it.attach(&file.node, source);
            let start = base + mention.start as u32;
            let span = Span { start, end: start + mention.text.len() as u32 };
            let diagnostic = Diagnostic::error(codes::BAD_SCRIPT, span, message, label)
                .also(file.span, "the script is named here");
            it.report(match help {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            });
        };
        let Some(parts) = parts(mention.text) else {
            let message = format!("`{}` is not the name of an attribute", mention.text);
            refuse(
                self,
                message,
                "expected a name like `input.tokens` or `header[\"x-team\"]`",
                None,
            );
            return None;
        };
        let path = AttrPath { parts, span: file.span };
        let before = self.diagnostics.len();
        let resolved = self.resolve(&path, Scope::Request);
        if self.diagnostics.len() > before {
            let base = self.attach(&file.node, source);
            let start = base + mention.start as u32;
            let place = Span { start, end: start + mention.text.len() as u32 };
            for diagnostic in &mut self.diagnostics[before..] {
                diagnostic.code = codes::BAD_SCRIPT;
                diagnostic.primary.span = place;
                // Changes are made to policies, not to scripts.
                let fixes = std::mem::take(&mut diagnostic.fixes);
                if diagnostic.help.is_empty() {
                    diagnostic.help = fixes.into_iter().map(|fix| fix.title).collect();
                }
                diagnostic
                    .secondary
                    .push(Label { span: file.span, text: "the script is named here".into() });
            }
        }
        let resolved = resolved?;
        let scripted = |operand: &Operand| {
            matches!(operand, Operand::Declared(declared)
                if !matches!(declared.source, None | Some(DeclaredSource::Attr(_))))
        };
        if resolved.ty == Type::Time {
            let message = "a script cannot look at `time`".to_owned();
            refuse(
                self,
                message,
                "an instant",
                Some("use `time.hour`, `time.weekday` or `time.date`"),
            );
            return None;
        }
        if entry == Entry::Value && scripted(&resolved.operand) {
            let message = format!("`{}` comes from a script or a classifier itself", mention.text);
            refuse(self, message, "an attribute's script cannot use it", None);
            return None;
        }
        let path = path.parts.iter().flat_map(|part| match part {
            AttrPart::Word(word) | AttrPart::Index(word) => [Arc::from(word.as_str())],
        });
        Some(Input { path: path.collect(), operand: resolved.operand, ty: resolved.ty })
    }

    /// `{ max_ops 20_000, timeout 2ms }`
    fn limits(&mut self, knobs: &[tree::Knob]) -> Limits {
        let mut limits = Limits::default();
        for knob in knobs {
            match knob.name.node.as_str() {
                "max_ops" => {
                    let most = i64::try_from(Limits::MOST_OPS).unwrap_or(i64::MAX);
                    if let Some(ops) = self.knob(knob, &Type::Int, (100, most), ("100", "200_000"))
                    {
                        limits.max_ops = ops.unsigned_abs();
                    }
                }
                "timeout" => {
                    let range = (100_000, Limits::LONGEST.as_nanos() as i64);
                    if let Some(nanos) = self.knob(knob, &Type::Duration, range, ("100us", "50ms"))
                    {
                        limits.timeout = Duration::from_nanos(nanos.unsigned_abs());
                    }
                }
                _ => self.unknown_knob(knob, &["max_ops", "timeout"], "a script"),
            }
        }
        limits
    }

    fn knob(
        &mut self,
        knob: &tree::Knob,
        ty: &Type,
        (low, high): (i64, i64),
        (least, most): (&str, &str),
    ) -> Option<i64> {
        let named = (knob.name.node.as_str(), knob.name.span);
        let value = self.literal_key(named, ty, &knob.value.node, knob.value.span)?;
        if (low..=high).contains(&value) {
            return Some(value);
        }
        self.report(Diagnostic::error(
            codes::OUT_OF_RANGE,
            knob.value.span,
            format!("`{}` cannot be {}", knob.name.node, knob.value.node.raw),
            format!("must be between {least} and {most}"),
        ));
        None
    }

    fn unknown_knob(&mut self, knob: &tree::Knob, known: &[&str], of: &str) {
        let name = &knob.name;
        let diagnostic = Diagnostic::error(
            codes::UNKNOWN_NAME,
            name.span,
            format!("{of} has no setting `{}`", name.node),
            "unknown setting",
        )
        .note(format!("settings: {}", known.join(", ")));
        self.report(match did_you_mean(&name.node, known.iter().copied()) {
            Some(near) => diagnostic.fix(format!("use `{near}`"), name.span, near),
            None => diagnostic,
        });
    }

    /// `from classifier "topic-v2" { timeout 30ms }`
    pub(super) fn classifier(
        &mut self,
        which: &tree::Text,
        knobs: &[tree::Knob],
        attribute: &str,
        ty: &Type,
    ) -> Option<DeclaredSource> {
        let mut timeout = None;
        for knob in knobs {
            match knob.name.node.as_str() {
                "timeout" => {
                    let range = (1_000_000, 1_000_000_000);
                    let nanos = self.knob(knob, &Type::Duration, range, ("1ms", "1s"));
                    timeout = nanos.map(|nanos| Duration::from_nanos(nanos.unsigned_abs()));
                }
                _ => self.unknown_knob(knob, &["timeout"], "a classifier"),
            }
        }
        let Some(found) = classifier::named(&which.node) else {
            let names = || classifier::ALL.iter().map(|known| known.name());
            let diagnostic = Diagnostic::error(
                codes::UNKNOWN_NAME,
                which.span,
                format!("no classifier is called `{}`", which.node),
                "unknown classifier",
            )
            .note(format!("classifiers: {}", names().collect::<Vec<_>>().join(", ")));
            self.report(match did_you_mean(&which.node, names()) {
                Some(near) => {
                    diagnostic.fix(format!("use `{near}`"), which.span, format!("\"{near}\""))
                }
                None => diagnostic,
            });
            return None;
        };
        let (fits, says) = match found.kind() {
            Kind::Flag => (*ty == Type::Bool, "bool"),
            Kind::Score => (matches!(ty, Type::Float(_)), "float"),
            Kind::Label(_) => (matches!(ty, Type::String | Type::Enum(_)), "string, or an enum"),
        };
        if !fits {
            self.report(
                Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    which.span,
                    format!("`{attribute}` is {}, which `{}` does not say", ty.name(), which.node),
                    format!("gives {}", found.kind().told()),
                )
                .help(format!("declare it as {says}")),
            );
        }
        if let (Kind::Label(labels), Type::Enum(members)) = (found.kind(), ty)
            && !members.iter().any(|member| labels.contains(&member))
        {
            self.report(
                Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    which.span,
                    format!("`{}` says none of the words of `{attribute}`", which.node),
                    "it would always be the `else` value",
                )
                .note(format!("it says: {}", labels.join(", "))),
            );
        }
        Some(DeclaredSource::Classifier { name: which.node.as_str().into(), timeout })
    }
}

/// `header["x-team"]`, `model["a/b"].ttft.p95` in its parts.
fn parts(text: &str) -> Option<Vec<AttrPart>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        if word.is_empty() {
            return None;
        }
        parts.push(AttrPart::Word(word.to_owned()));
        rest = after;
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (index, after) = quoted.split_once("\"]")?;
            parts.push(AttrPart::Index(index.to_owned()));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None => return rest.is_empty().then_some(parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_attributes_are_read() {
        let shown =
            |text| parts(text).map(|parts| AttrPath { parts, span: Span::default() }.to_string());
        for text in ["task", "input.tokens", "header[\"x-team\"]", "model[\"a/b\"].ttft.p95"] {
            assert_eq!(shown(text).as_deref(), Some(text));
        }
        for text in ["", ".", "a.", "a[b]", "a[\"b]", "a b", "a[\"b\"]c", "1 + 1;"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
