//! What may stand at a cursor.

mod items;

use lsp_types::{CompletionItem, CompletionItemKind as Icon, Position};

use self::items::Items;
use super::context::Context;
use super::documents::{Cursor, Workspace};
use super::index::{Kind, Space, What};
use crate::dialect::edits::Param;
use crate::error_class::ErrorClass;
use crate::policy::check::{CACHE_KEY_PARTS, CLOCKS, METRICS};
use crate::policy::program::{OnLossy, Outcome, Period};
use crate::policy::schema::{Attr, REASONING, SCHEMA, Subject, Type};
use crate::policy::syntax::words::Place;

const STRATEGIES: &[&str] =
    &["cheapest", "fastest", "best", "first", "least-busy", "round-robin", "script"];
const TYPES: &[&str] =
    &["bool", "int", "float", "string", "money", "tokens", "duration", "percent", "set", "enum"];
const BREACHES: &[&str] = &["warn", "degrade to", "queue", "deny"];
const IDENTITIES: &[&str] =
    &["key.id", "key.team", "key.org", "key.user", "user.id", "session.id", "key.tier"];
/// Words after which a condition, or a part of one, begins.
const BEFORE_CONDITION: &[&str] =
    &["when", "where", "and", "or", "not", "(", "assume", "guard", "expect"];
const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];

/// What a condition speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Request,
    Model,
    Attempt,
    Outcome,
    Metrics,
    /// The condition of a `let`, which may be used anywhere.
    Any,
}

/// Everything that may stand at a position, in the order in which it is likely.
pub fn complete(
    workspace: &Workspace,
    path: &str,
    position: Position,
    snippets: bool,
) -> Vec<CompletionItem> {
    let Some(document) = workspace.open.get(path) else { return Vec::new() };
    let Some(cursor) = workspace.cursors(path, position).into_iter().next() else {
        return Vec::new();
    };
    let byte = document.lines.byte(&document.text, position);
    let Some(context) = Context::at(&document.text, byte) else { return Vec::new() };
    let range = document.lines.range(&document.text, context.typed);
    let items = Items::new(range, snippets);
    let mut completion = Completion { workspace, cursor, context, items };
    completion.any();
    completion.items.found
}

struct Completion<'a> {
    workspace: &'a Workspace,
    cursor: Cursor<'a>,
    context: Context<'a>,
    items: Items,
}

impl Completion<'_> {
    fn any(&mut self) {
        if let Some((last, before)) = self.context.in_text() {
            self.text(last, before);
            return;
        }
        let Some(place) = self.context.place else { return };
        if self.context.len() == 0 {
            self.start(place);
            return;
        }
        if self.context.prefix().starts_with(|it: char| it.is_ascii_digit() || it == '$') {
            self.units();
            return;
        }
        match self.context.bracket() {
            Some(("[", open)) => self.list(open),
            _ => self.inside(),
        }
        if self.context.indented && place == Place::File {
            self.follow();
        }
    }

    /// The first word of a line.
    fn start(&mut self, place: Place) {
        for word in place.words() {
            self.items.statement(word, place);
        }
        if place == Place::Split {
            self.items.snippet("arm", "${1:name} ${2:10%} -> ${3:target}", "An arm of the split.");
        }
    }

    /// Within quotes: names in an attribute's brackets, and files.
    fn text(&mut self, last: &str, before: &str) {
        match (last, before) {
            ("[", "pool") => self.targets_of(&[Kind::Pool]),
            ("[", "budget") => self.names(Space::Budget, &[Kind::Budget]),
            ("[", "model") => self.models(),
            ("import" | "file" | "script", _) => self.files(),
            ("to", _) if self.context.word_at(0) == "delegate" => self.files(),
            _ => {}
        }
    }

    /// The elements of a list.
    fn list(&mut self, open: usize) {
        if !matches!(self.context.back(0), "[" | ",") {
            return;
        }
        let head = self.context.word_at(0);
        match open.checked_sub(1).map_or("", |it| self.context.word_at(it)) {
            "in" if head == "route" && self.context.place == Some(Place::Invariant) => {
                self.routes()
            }
            "in" => {
                let not = usize::from(open >= 2 && self.context.word_at(open - 2) == "not");
                if let Some(last) = open.checked_sub(2 + not) {
                    self.values_of(last);
                }
            }
            "=" | "plus" | "except" if head == "pool" => {
                self.targets_of(&[Kind::Pool]);
                self.models();
            }
            "key" => self.items.words(&CACHE_KEY_PARTS, Icon::Property),
            _ => {}
        }
    }

    /// Behind at least one word of a statement.
    fn inside(&mut self) {
        let head = self.context.word_at(0);
        let last = self.context.back(0);
        let listed = last == ",";
        match last {
            "->" => self.targets(matches!(head, "route" | "default" | "alias")),
            "fallback" => self.targets(false),
            "," if head == "fallback" && !self.context.has("on") => self.targets(false),
            "on" if matches!(head, "retry" | "fallback") => self.errors(),
            "," if matches!(head, "retry" | "fallback") => self.errors(),
            "to" if head == "delegate" => self.items.words(&["\"\""], Icon::File),
            "to" if head == "guard" => self.arms(),
            "to" => self.targets(false),
            "degrade" => self.items.words(&["to"], Icon::Keyword),
            "timeout" if head == "timeout" => self.clocks(),
            "," if head == "timeout" => self.clocks(),
            "set" if self.context.len() == 1 => self.parameters(),
            "pick" => self.items.words(STRATEGIES, Icon::EnumMember),
            "only" => self.items.words(&["models where"], Icon::Keyword),
            "escalate" => self.items.words(&["when"], Icon::Keyword),
            "models" => self.items.words(&["where"], Icon::Keyword),
            "model" if matches!(head, "every" | "some" | "no" | "expect") => {
                self.items.words(&["where"], Icon::Keyword);
                if head == "expect" {
                    self.items.words(&["in"], Icon::Keyword);
                }
            }
            "=" if head == "set" => self.parameter_values(),
            "=" if head == "pool" => {
                self.items.words(&["models where", "models"], Icon::Keyword);
                self.items.snippet("[…]", "[$1]", "Models and pools by name.");
                self.targets_of(&[Kind::Pool]);
            }
            "plus" | "except" if head == "pool" => self.targets_of(&[Kind::Pool]),
            "=" if head == "let" => self.condition(),
            "=" if head == "schedule" => self.items.words(&["mon..fri", "daily"], Icon::Value),
            "=" if head == "given" => {
                if let Some(last) = self.context.len().checked_sub(2) {
                    self.values_of(last);
                }
            }
            "in" if self.context.back(1) == "model" => self.targets_of(&[Kind::Pool]),
            "in" => self.memberships(),
            "is" => self.items.words(&["present", "absent", "not present"], Icon::Keyword),
            "has" => self.items.words(&["any", "all"], Icon::Keyword),
            "by" => self.by(head),
            "per" if head == "cap" => self.items.words(&["request"], Icon::Keyword),
            "per" if head == "budget" && self.context.back(1).starts_with('$') => {
                self.items.words(&Period::WORDS, Icon::Unit);
            }
            "per" => self.items.words(IDENTITIES, Icon::Property),
            "," if matches!(head, "split" | "experiment") => {
                self.items.words(IDENTITIES, Icon::Property);
            }
            ":" if head == "attribute" => {
                self.items.words(TYPES, Icon::TypeParameter);
                self.names(Space::Name, &[Kind::Enum]);
            }
            "from" if head == "attribute" => {
                self.items.words(&["header", "script", "classifier"], Icon::Keyword);
                self.items.snippet(
                    "key.meta[…]",
                    "key.meta[\"$1\"]",
                    "A field of the key's `meta`.",
                );
            }
            "else" if head == "attribute" => self.declared_members(),
            "else" if head == "guard" => self.items.words(&["halt to"], Icon::Keyword),
            "else" => self.items.words(BREACHES, Icon::Keyword),
            "cache" => self.items.words(&["exact ttl", "semantic", "off"], Icon::Keyword),
            "log" => self.items.words(&["bodies"], Icon::Keyword),
            "bodies" if head == "log" => self.items.words(&["on", "off"], Icon::Keyword),
            "prompt" => self.items.words(&["prepend", "append", "replace"], Icon::Keyword),
            "prepend" | "append" | "replace" if head == "prompt" => {
                self.items.words(&["file"], Icon::Keyword);
            }
            "hold" => self.items.words(&["full", "none"], Icon::Keyword),
            "hedge" => self.items.words(&["after"], Icon::Keyword),
            "after" if head == "hedge" => self.items.words(&["p50", "p95"], Icon::Value),
            "floor" => self.attributes(Scope::Model),
            "given" => self.attributes(Scope::Request),
            "," if head == "given" => self.attributes(Scope::Request),
            "metric" => self.items.words(&METRICS, Icon::Property),
            "," if head == "metric" => self.items.words(&METRICS, Icon::Property),
            "never" | "always" => self.items.words(&["denied"], Icon::Keyword),
            "every" | "some" | "no" => self.items.words(&["model"], Icon::Keyword),
            _ if listed => {}
            _ if COMPARISONS.contains(&last) => {
                if let Some(last) = self.context.len().checked_sub(2) {
                    self.values_of(last);
                }
            }
            _ if head == "attempt" && self.context.len() == 2 => {
                self.items.words(&Outcome::WORDS, Icon::EnumMember);
                self.errors();
            }
            _ if head == "at" && self.context.len() == 2 => {
                self.items.words(BREACHES, Icon::Keyword);
            }
            _ if BEFORE_CONDITION.contains(&last) => self.condition(),
            _ => self.behind_operand(),
        }
    }

    fn condition(&mut self) {
        let scope = self.scope();
        if self.context.back(0) == "expect" {
            let words = ["every model", "some model", "no model", "denied by", "answered by"];
            self.items.words(&words, Icon::Keyword);
        }
        self.attributes(scope);
        self.items.words(&["not"], Icon::Keyword);
    }

    /// What the condition before the cursor speaks of.
    fn scope(&self) -> Scope {
        let words = ["when", "where", "assume", "guard", "expect", "given", "let"];
        let Some(at) = self.context.last_of(&words) else { return Scope::Request };
        let before = at.checked_sub(1).map_or("", |it| self.context.word_at(it));
        match self.context.word_at(at) {
            "where" => Scope::Model,
            "when" if before == "escalate" => Scope::Attempt,
            "guard" => Scope::Metrics,
            "expect" => Scope::Outcome,
            "let" => Scope::Any,
            _ => Scope::Request,
        }
    }

    fn attributes(&mut self, scope: Scope) {
        if scope == Scope::Metrics {
            self.items.words(&METRICS, Icon::Property);
            return;
        }
        let admits = |subject: Subject| match scope {
            Scope::Request => subject == Subject::Request,
            Scope::Model => subject == Subject::Model,
            Scope::Attempt => matches!(subject, Subject::Attempt | Subject::Request),
            Scope::Outcome => subject == Subject::Outcome,
            Scope::Any => matches!(subject, Subject::Request | Subject::Model),
            Scope::Metrics => false,
        };
        if scope != Scope::Outcome {
            self.names(Space::Name, &[Kind::Condition]);
        }
        let index = &self.cursor.policy.index;
        if !matches!(scope, Scope::Model | Scope::Outcome) {
            for (number, declaration) in index.declarations.iter().enumerate() {
                if declaration.kind == Kind::Attribute {
                    self.items.declared(&declaration.name, &index.declarations[number]);
                }
            }
        }
        let is_declared = |name: &str| {
            index.declarations.iter().any(|it| it.kind == Kind::Attribute && it.name == name)
        };
        for def in SCHEMA {
            if admits(def.subject) && def.name != "request.auto" && !is_declared(def.name) {
                self.items.attribute(def);
            }
        }
    }

    /// The type of the attribute that ends with a token of the statement, as far as the schema knows
    /// it; and the declaration whose members its values are.
    fn type_of(&self, last: usize) -> (Option<&'static Type>, Option<usize>) {
        let Some((path, _)) = self.context.path_ending(last) else { return (None, None) };
        let index = &self.cursor.policy.index;
        if let Some(attribute) = index.attribute(self.cursor.unit, path) {
            return (None, index.members(attribute));
        }
        let name = match (path.find('['), path.rfind(']')) {
            (Some(open), Some(close)) if open < close => {
                format!("{}[]{}", &path[..open], &path[close + 1..])
            }
            _ => path.to_owned(),
        };
        (Attr::named(&name).map(|attr| &attr.def().ty), None)
    }

    /// The values that an attribute can have.
    fn values_of(&mut self, last: usize) {
        let path = self.context.path_ending(last).map_or("", |(path, _)| path);
        if path == "route" {
            self.routes();
            return;
        }
        if let (_, Some(owner)) = self.type_of(last) {
            self.members(owner);
        } else if let (Some(ty), None) = self.type_of(last) {
            match ty {
                Type::Enum(members) => {
                    let words: Vec<&str> = members.iter().collect();
                    self.items.words(&words, Icon::EnumMember);
                }
                other => self.items.words(examples(other), Icon::Value),
            }
        }
    }

    fn members(&mut self, owner: usize) {
        let index = &self.cursor.policy.index;
        let words: Vec<&str> = index.inside(owner).map(|(_, it)| it.name.as_str()).collect();
        self.items.words(&words, Icon::EnumMember);
    }

    fn declared_members(&mut self) {
        let colon = self.context.last_of(&[":"]);
        let Some((path, _)) =
            colon.and_then(|it| it.checked_sub(1)).and_then(|it| self.context.path_ending(it))
        else {
            return;
        };
        let index = &self.cursor.policy.index;
        if let Some(owner) =
            index.attribute(self.cursor.unit, path).and_then(|it| index.members(it))
        {
            self.members(owner);
        }
    }

    /// Behind `in`: schedules for the time, lists for everything else.
    fn memberships(&mut self) {
        let not = usize::from(self.context.back(1) == "not");
        let Some(last) = self.context.len().checked_sub(2 + not) else { return };
        if matches!(self.type_of(last), (Some(Type::Time), _)) {
            self.names(Space::Name, &[Kind::Schedule]);
            return;
        }
        self.items.snippet("[…]", "[$1]", "One of these.");
        self.names(Space::Name, &[Kind::List]);
    }

    /// Behind a complete word: operators behind an attribute, else what the statement goes on with.
    fn behind_operand(&mut self) {
        if let Some(last) = self.context.len().checked_sub(1)
            && let Some((path, first)) = self.context.path_ending(last)
            && first
                .checked_sub(1)
                .is_some_and(|it| BEFORE_CONDITION.contains(&self.context.word_at(it)))
        {
            let (ty, members) = self.type_of(last);
            let operators: &[&str] = match ty {
                Some(Type::Enum(_)) => &["==", "!=", "in", "not in"],
                Some(Type::String) => {
                    &["==", "!=", "in", "not in", "like", "matches", "is present"]
                }
                Some(Type::Set) => &["has", "has any", "has all"],
                Some(Type::Time) => &["in", "not in"],
                Some(Type::Bool) => &[],
                Some(_) => &["<", "<=", ">", ">=", "==", "!=", "in"],
                None if members.is_some() => &["==", "!=", "in", "not in"],
                None if self.is_condition(path) => &[],
                None => &["==", "!=", "<", "<=", ">", ">=", "in", "has"],
            };
            self.items.words(operators, Icon::Operator);
        }
        if self.context.last_of(BEFORE_CONDITION).is_some() {
            self.items.words(&["and", "or"], Icon::Keyword);
        }
        self.follow();
    }

    fn is_condition(&self, name: &str) -> bool {
        self.cursor.policy.index.resolve(self.cursor.unit, Space::Name, name).is_some()
    }

    /// The words that the rest of a statement may go on with.
    fn follow(&mut self) {
        let words: &[&str] = match self.context.word_at(0) {
            "route" => &["when", "->"],
            "default" | "alias" | "ends" => &["->"],
            "deny" => &["when", "because", "status"],
            "require" => &["when", "only models where"],
            "tune" | "invariant" => &["when"],
            "delegate" => &["when", "to"],
            "pool" => &["pick", "plus", "except", "where"],
            "budget" => &["per", "when"],
            "limit" => &["concurrent", "per", "when", "else"],
            "split" | "experiment" => &["by", "salt"],
            "attribute" => &["from", "else"],
            "import" => &["as"],
            "step" => &["->", "escalate when"],
            "retry" => &["on", "backoff"],
            "fallback" => &["on"],
            "hedge" => &["to", "max"],
            "cap" => &["per request else"],
            "cache" => &["ttl", "key"],
            "sticky" => &["for"],
            "shadow" => &["to"],
            "arm" => &["rest", "->"],
            "ramp" => &["every", "from"],
            "guard" => &["over", "samples", "else halt to"],
            "pick" => &["of"],
            "attempt" => &["after"],
            "floor" => &[">="],
            _ => &[],
        };
        self.items.words(words, Icon::Keyword);
    }

    /// A number with the units it may have here.
    fn units(&mut self) {
        let number = self.context.prefix().trim_end_matches(|it: char| it.is_ascii_alphabetic());
        let head = self.context.word_at(0);
        let is_time = matches!(head, "timeout" | "deadline" | "sticky")
            || matches!(
                self.context.back(0),
                "after" | "ttl" | "backoff" | "queue" | "every" | "for"
            )
            || (head == "retry" && self.context.back(0) == "..");
        let ty = match self.context.len().checked_sub(2) {
            Some(last) if COMPARISONS.contains(&self.context.back(0)) => self.type_of(last).0,
            _ => None,
        };
        let units: &[&str] = if number.starts_with('$') {
            match ty {
                Some(Type::Price(_)) => &["/Mtok", "/image"],
                Some(_) => &["", "k"],
                None => &["", "k", "/Mtok"],
            }
        } else if is_time {
            &["s", "ms", "min", "h", "d"]
        } else {
            match ty {
                Some(Type::Duration) => &["s", "ms", "min", "h", "d"],
                Some(Type::Tokens) => &["k", "M", "Ki"],
                Some(Type::Percent) => &["%"],
                Some(Type::Bytes) => &["KiB", "MiB", "KB", "MB"],
                Some(_) => &[],
                None if matches!(head, "shadow" | "at" | "arm" | "ramp") => &["%"],
                None => &["k", "%", "s", "ms", "min"],
            }
        };
        let amounts: Vec<String> = units.iter().map(|unit| format!("{number}{unit}")).collect();
        let amounts: Vec<&str> = amounts.iter().map(String::as_str).collect();
        self.items.words(&amounts, Icon::Unit);
    }

    fn by(&mut self, head: &str) {
        match (head, self.context.back(1)) {
            ("expect", "answered") => self.targets(false),
            ("expect", "denied") => self.names(Space::Rule, &[Kind::Deny, Kind::Require]),
            _ => self.items.words(IDENTITIES, Icon::Property),
        }
    }

    fn targets(&mut self, requested: bool) {
        self.targets_of(&[Kind::Pool, Kind::Ladder, Kind::Split, Kind::Experiment]);
        if requested {
            self.items.words(&["requested"], Icon::Keyword);
        }
        self.models();
    }

    fn targets_of(&mut self, kinds: &[Kind]) {
        self.names(Space::Target, kinds);
    }

    fn names(&mut self, space: Space, kinds: &[Kind]) {
        let index = &self.cursor.policy.index;
        for (name, number) in index.visible(self.cursor.unit, space) {
            let declaration = &index.declarations[number];
            if kinds.contains(&declaration.kind) {
                self.items.declared(&name, declaration);
            }
        }
    }

    fn routes(&mut self) {
        let index = &self.cursor.policy.index;
        for declaration in index.declarations.iter().filter(|it| it.kind == Kind::Route) {
            let prefix = &self.cursor.policy.loaded.units[declaration.unit].prefix;
            self.items.declared(&format!("{prefix}{}", declaration.name), declaration);
        }
        self.items.words(&["default"], Icon::Function);
    }

    fn arms(&mut self) {
        let index = &self.cursor.policy.index;
        let here =
            |it: &&super::index::Declaration| it.unit == self.cursor.unit && it.kind == Kind::Arm;
        let arms: Vec<&str> =
            index.declarations.iter().filter(here).map(|it| it.name.as_str()).collect();
        self.items.words(&arms, Icon::Field);
    }

    fn models(&mut self) {
        // Models that the policy names already come first.
        let index = &self.cursor.policy.index;
        let named = |id: &str| {
            index.spots.iter().any(|spot| matches!(&spot.what, What::Model(named) if named == id))
        };
        for model in self.workspace.catalog.models() {
            self.items.model(model, named(model.id.as_str()));
        }
    }

    fn errors(&mut self) {
        let classes: Vec<&str> = ErrorClass::ALL.iter().map(|class| class.name()).collect();
        self.items.words(&["transient", "any"], Icon::EnumMember);
        self.items.words(&classes, Icon::EnumMember);
    }

    fn clocks(&mut self) {
        self.items.words(&CLOCKS, Icon::Property);
    }

    fn parameters(&mut self) {
        let names: Vec<&str> = Param::SETTABLE.iter().map(|param| param.name()).collect();
        self.items.words(&names, Icon::Property);
        self.items.words(&["on_lossy"], Icon::Property);
    }

    fn parameter_values(&mut self) {
        match self.context.back(1) {
            "reasoning" => self.items.words(&REASONING[1..], Icon::EnumMember),
            "on_lossy" => self.items.words(OnLossy::WORDS, Icon::EnumMember),
            "logprobs" | "parallel_tools" | "store" => {
                self.items.words(&["true", "false"], Icon::Value);
            }
            _ => {}
        }
    }

    /// The files beside the policy and below, as a policy names them.
    fn files(&mut self) {
        let sources = &self.cursor.policy.loaded.sources;
        let Some(own) = sources.files().nth(self.cursor.unit) else { return };
        let folder = super::documents::folder_of(own);
        let typed = self.context.prefix();
        let inside = typed.rsplit_once('/').map_or("", |(inside, _)| inside);
        let path = crate::policy::load::joined(folder, inside);
        for (name, is_folder) in super::documents::listing(&path) {
            let before = if inside.is_empty() { String::new() } else { format!("{inside}/") };
            let icon = if is_folder { Icon::Folder } else { Icon::File };
            let after = if is_folder { "/" } else { "" };
            self.items.words(&[&format!("{before}{name}{after}")], icon);
        }
    }
}

/// What a value of a type looks like.
fn examples(ty: &Type) -> &'static [&'static str] {
    match ty {
        Type::Tokens => &["2k", "8k", "32k", "128k"],
        Type::Money => &["$0.01", "$0.10", "$1"],
        Type::Price(_) => &["$1/Mtok", "$5/Mtok", "$15/Mtok"],
        Type::Duration => &["500ms", "2s", "10s", "1min"],
        Type::Percent => &["5%", "20%"],
        Type::Bytes => &["512KiB", "1MiB"],
        Type::Bool => &["true", "false"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
