//! JSON from a JSON schema.
//!
//! Generate and test: a value is made from the schema and the prompt's hints, validated, and made
//! anew with other choices if it does not hold. So keywords the generator knows nothing of (`not`,
//! `if`, `contains` …) are still often met, by luck.

mod strings;

use fastrand::Rng;
use serde_json::{Map, Number, Value, json};

use super::hints::Hints;
use strings::WORDS;

/// How often to try before giving the last value as it is.
const ATTEMPTS: u64 = 24;
/// How deep a value is made with everything optional in it; below, only what must be there.
const LAVISH_DEPTH: u32 = 4;
/// How deep references and unions are followed.
const DEEPEST: u32 = 48;
/// How many values one answer may have, whatever `minItems` says.
const BUDGET: u32 = 4_000;

/// A value that satisfies the schema, filled from what the prompt mentions.
pub(super) fn generate(schema: &Value, hints: &Hints, seed: u64) -> Value {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).ok();
    let mut value = Value::Null;
    for attempt in 0..ATTEMPTS {
        let mut generator = Generator {
            root: schema,
            hints: hints.clone(),
            rng: Rng::with_seed(seed.wrapping_add(attempt)),
            attempt,
            budget: BUDGET,
        };
        value = generator.value(schema, "", 0);
        let spent = generator.budget == 0;
        if spent || validator.as_ref().is_none_or(|validator| validator.is_valid(&value)) {
            break;
        }
    }
    value
}

struct Generator<'a> {
    root: &'a Value,
    /// What is left to fill in: names and numbers are used up in the order of mention.
    hints: Hints,
    rng: Rng,
    attempt: u64,
    budget: u32,
}

impl Generator<'_> {
    fn value(&mut self, schema: &Value, name: &str, depth: u32) -> Value {
        self.budget = self.budget.saturating_sub(1);
        if self.budget == 0 || depth > DEEPEST {
            return Value::Null;
        }
        let schema = self.flatten(schema, depth);
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(Value::Array(members)) = schema.get("enum") {
            return self.member(members);
        }
        match self.kind(&schema, depth) {
            "object" => self.object(&schema, depth),
            "array" => self.array(&schema, name, depth),
            "integer" => self.number(&schema, true),
            "number" => self.number(&schema, false),
            "boolean" => Value::Bool(self.rng.bool()),
            "null" => Value::Null,
            _ => Value::String(self.string(&schema, name)),
        }
    }

    /// The schema with its references, `allOf` and one branch of each union worked in.
    fn flatten(&mut self, schema: &Value, depth: u32) -> Map<String, Value> {
        let Value::Object(schema) = schema else { return Map::new() };
        let mut flat = schema.clone();
        let mut parts = Vec::new();
        if let Some(reference) = flat.remove("$ref") {
            let target = reference.as_str().and_then(|text| {
                let pointer = text.strip_prefix('#')?.replace("%25", "%");
                self.root.pointer(&pointer)
            });
            parts.extend(target.cloned());
        }
        if let Some(Value::Array(all)) = flat.remove("allOf") {
            parts.extend(all);
        }
        for union in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = flat.remove(union) {
                parts.extend(self.branch(&branches, depth).cloned());
            }
        }
        if depth < DEEPEST {
            for part in &parts {
                let part = self.flatten(part, depth + 1);
                merge(&mut flat, part);
            }
        }
        flat
    }

    fn branch<'v>(&mut self, branches: &'v [Value], depth: u32) -> Option<&'v Value> {
        let is_null = |branch: &&Value| branch.get("type").is_some_and(|kind| kind == "null");
        if depth > LAVISH_DEPTH {
            // Towards the end of a recursion: whatever is smallest and leads nowhere.
            return branches.iter().min_by_key(|b| {
                (!is_null(b), b.to_string().contains("$ref"), b.to_string().len())
            });
        }
        if self.attempt == 0 {
            return branches.iter().find(|b| !is_null(b)).or(branches.first());
        }
        self.rng.choice(branches.iter())
    }

    /// What type to make: the said one, or the one the other keywords speak of.
    fn kind(&mut self, schema: &Map<String, Value>, depth: u32) -> &'static str {
        const KINDS: &[&str] =
            &["object", "array", "integer", "number", "boolean", "string", "null"];
        let known = |value: &Value| KINDS.iter().copied().find(|kind| value == kind);
        match schema.get("type") {
            Some(Value::Array(several)) => {
                let kinds: Vec<_> = several.iter().filter_map(known).collect();
                let simple = kinds.contains(&"null") && depth > LAVISH_DEPTH;
                if simple {
                    return "null";
                }
                if self.attempt > 0
                    && let Some(kind) = self.rng.choice(kinds.iter())
                {
                    return kind;
                }
                kinds.iter().find(|kind| **kind != "null").or(kinds.first()).unwrap_or(&"string")
            }
            Some(one) => known(one).unwrap_or("string"),
            None => {
                let has = |words: &[&str]| words.iter().any(|word| schema.contains_key(*word));
                if has(&["properties", "required", "additionalProperties", "minProperties"]) {
                    "object"
                } else if has(&["items", "prefixItems", "minItems", "contains"]) {
                    "array"
                } else if has(&["minimum", "maximum", "multipleOf", "exclusiveMinimum"]) {
                    "number"
                } else {
                    "string"
                }
            }
        }
    }

    /// The member the prompt mentions, or its answer, or any.
    fn member(&mut self, members: &[Value]) -> Value {
        let mentioned = |text: &str| {
            let text = text.to_lowercase();
            members
                .iter()
                .filter_map(|member| Some((text.find(&member.as_str()?.to_lowercase())?, member)))
                .min_by_key(|(at, _)| *at)
                .map(|(_, member)| member.clone())
        };
        let found = (self.attempt < 4)
            .then(|| mentioned(&self.hints.answer).or_else(|| mentioned(&self.hints.prompt)))
            .flatten();
        found.or_else(|| self.rng.choice(members.iter()).cloned()).unwrap_or(Value::Null)
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: u32) -> Value {
        let empty = Map::new();
        let properties =
            schema.get("properties").and_then(Value::as_object).unwrap_or(&empty).clone();
        let required: Vec<String> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let lavish = depth < LAVISH_DEPTH && self.attempt.is_multiple_of(2);
        let most = schema.get("maxProperties").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let mut object = Map::new();
        // What must be there comes first, so that `maxProperties` leaves room for it.
        for name in &required {
            let fallback = schema.get("additionalProperties").cloned().unwrap_or(Value::Bool(true));
            let inner = properties.get(name).cloned().unwrap_or(fallback);
            object.insert(name.clone(), self.value(&inner, name, depth + 1));
        }
        for (name, inner) in &properties {
            let room = (object.len() as u64) < most;
            if lavish && room && *inner != Value::Bool(false) && !object.contains_key(name) {
                object.insert(name.clone(), self.value(inner, name, depth + 1));
            }
        }
        let least = schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
        let open = schema.get("additionalProperties").filter(|v| v.is_object());
        let wanted = match open {
            Some(_) if lavish && properties.is_empty() => least.max(2).min(most),
            _ => least,
        };
        for i in 0..wanted.min(u64::from(BUDGET)) {
            if object.len() as u64 >= wanted || self.budget == 0 {
                break;
            }
            let name = match properties.keys().find(|name| !object.contains_key(*name)) {
                Some(name) => name.clone(),
                None => format!("{}_{}", WORDS[i as usize % WORDS.len()], i + 1),
            };
            let inner = properties.get(&name).or(open).cloned().unwrap_or(Value::Bool(true));
            object.insert(name.clone(), self.value(&inner, &name, depth + 1));
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Map<String, Value>, name: &str, depth: u32) -> Value {
        let bound = |word: &str| schema.get(word).and_then(Value::as_u64);
        let least = bound("minItems").unwrap_or(0);
        let most = bound("maxItems").unwrap_or(u64::MAX);
        let prefix: Vec<Value> =
            schema.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
        let usual = match depth > LAVISH_DEPTH {
            true => 0,
            false if is_place(name) && !self.hints.places.is_empty() => {
                self.hints.places.len() as u64
            }
            false => self.rng.u64(2..=3),
        };
        let wanted = usual.max(least).max(prefix.len() as u64).min(most).min(u64::from(BUDGET));
        let rest = schema.get("items").cloned().unwrap_or(Value::Bool(true));
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let singular = name.strip_suffix("ies").map(|stem| format!("{stem}y"));
        let singular = singular.as_deref().or(name.strip_suffix('s')).unwrap_or(name);
        let mut items: Vec<Value> = Vec::new();
        for i in 0..wanted {
            let inner = prefix.get(i as usize).unwrap_or(&rest);
            if *inner == Value::Bool(false) || self.budget == 0 {
                break;
            }
            let mut item = self.value(inner, singular, depth + 1);
            for _ in 0..8 {
                if !unique || !items.contains(&item) {
                    break;
                }
                item = self.value(inner, "", depth + 1);
            }
            if !unique || !items.contains(&item) {
                items.push(item);
            }
        }
        Value::Array(items)
    }

    fn number(&mut self, schema: &Map<String, Value>, whole: bool) -> Value {
        let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
        let step = bound("multipleOf").filter(|step| *step > 0.0).or(whole.then_some(1.0));
        let nudge = step.unwrap_or(0.01);
        let low = match (bound("minimum"), bound("exclusiveMinimum")) {
            (at_least, Some(above)) => Some(at_least.unwrap_or(f64::MIN).max(above + nudge)),
            (at_least, None) => at_least,
        };
        let high = match (bound("maximum"), bound("exclusiveMaximum")) {
            (at_most, Some(below)) => Some(at_most.unwrap_or(f64::MAX).min(below - nudge)),
            (at_most, None) => at_most,
        };
        let fits = |number: f64| {
            low.is_none_or(|low| number >= low)
                && high.is_none_or(|high| number <= high)
                && step.is_none_or(|step| (number / step).fract() == 0.0)
        };
        let hint = self.hints.numbers.iter().position(|&number| fits(number));
        if let Some(at) = hint.filter(|_| self.attempt < 4) {
            return to_number(self.hints.numbers.remove(at), whole);
        }
        let (low, high) = match (low, high) {
            (Some(low), Some(high)) => (low, high.max(low)),
            (Some(low), None) => (low, low + 100.0),
            (None, Some(high)) => (high - 100.0, high),
            (None, None) => (1.0, 100.0),
        };
        let any = low + self.rng.f64() * (high - low);
        let number = match step {
            Some(step) => {
                let number = (any / step).floor() * step;
                if number < low { (low / step).ceil() * step } else { number }
            }
            None => {
                let rounded = (any * 100.0).round() / 100.0;
                if fits(rounded) { rounded } else { any }
            }
        };
        to_number(number, whole)
    }
}

/// Whether a member of this name holds a place.
pub(super) fn is_place(name: &str) -> bool {
    let name = name.to_lowercase();
    ["city", "cities", "location", "place", "town", "destination", "origin", "capital"]
        .iter()
        .any(|word| name.contains(word))
}

fn to_number(number: f64, whole: bool) -> Value {
    if whole || (number.fract() == 0.0 && number.abs() < 9e15) {
        return json!(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Works the second schema into the first, so that both hold.
fn merge(into: &mut Map<String, Value>, other: Map<String, Value>) {
    for (key, new) in other {
        let Some(old) = into.get_mut(&key) else {
            into.insert(key, new);
            continue;
        };
        match (key.as_str(), &mut *old, new) {
            ("required", Value::Array(old), Value::Array(new)) => old.extend(new),
            ("properties", Value::Object(old), Value::Object(new)) => {
                for (name, inner) in new {
                    match old.remove(&name) {
                        Some(both) => old.insert(name, json!({"allOf": [both, inner]})),
                        None => old.insert(name, inner),
                    };
                }
            }
            ("enum", Value::Array(old), Value::Array(new)) => old.retain(|v| new.contains(v)),
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems", old, new)
                if new.as_f64() > old.as_f64() =>
            {
                *old = new;
            }
            ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems", old, new)
                if new.as_f64() < old.as_f64() =>
            {
                *old = new;
            }
            // An integer is a number too.
            ("type", old, new) if new == "integer" && *old == "number" => *old = new,
            ("type", old @ Value::Array(_), new) if new.is_string() => *old = new,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(schema: &Value, prompt: &str) -> Value {
        let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
        let hints = Hints::of(prompt, "The answer is 42.");
        for seed in 0..40 {
            let value = generate(schema, &hints, seed);
            assert!(validator.is_valid(&value), "seed {seed}: {value} breaks {schema}");
        }
        generate(schema, &hints, 0)
    }

    #[test]
    fn every_keyword_we_know_is_met() {
        let schemas = [
            json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 5, "maximum": 6}, "b": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}}, "required": ["a", "b"], "additionalProperties": false}),
            json!({"type": "array", "items": {"enum": ["x", "y", 3, null]}, "minItems": 4}),
            json!({"type": "array", "items": {"type": "integer"}, "uniqueItems": true, "minItems": 10}),
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": false}),
            json!({"type": "string", "minLength": 50, "maxLength": 60}),
            json!({"type": "string", "pattern": "^[A-Z]{3}-\\d+$"}),
            json!({"type": ["string", "null"]}),
            json!({"type": "integer", "multipleOf": 7, "minimum": 100}),
            json!({"type": "number", "multipleOf": 0.5, "maximum": -3}),
            json!({"anyOf": [{"type": "null"}, {"$ref": "#/$defs/x"}], "$defs": {"x": {"const": "yes"}}}),
            json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
            json!({"allOf": [{"properties": {"a": {"type": "number"}}, "required": ["a"]}, {"type": "object", "properties": {"a": {"minimum": 1000}, "b": {}}, "required": ["b"]}]}),
            json!({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3}),
            json!({"type": "object", "minProperties": 2, "maxProperties": 2, "properties": {"p": {}, "q": {}, "r": {}}}),
            json!({"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}, "required": ["kind"], "if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["extra"]}}),
            json!({"not": {"type": "string"}, "type": ["string", "integer"]}),
            json!({"type": "boolean"}),
            json!(true),
            json!({}),
        ];
        for schema in &schemas {
            valid(schema, "Anything at all with 12 and 150.");
        }
    }

    #[test]
    fn every_format_is_met() {
        for format in [
            "date-time",
            "date",
            "time",
            "duration",
            "email",
            "hostname",
            "ipv4",
            "ipv6",
            "uri",
            "uri-reference",
            "uri-template",
            "uuid",
            "json-pointer",
            "relative-json-pointer",
            "regex",
        ] {
            valid(&json!({"type": "string", "format": format}), "");
        }
    }

    #[test]
    fn recursion_ends() {
        let tree = json!({
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#"}},
                "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            },
            "required": ["value", "children", "next"],
            "additionalProperties": false,
        });
        assert!(valid(&tree, "").to_string().len() < 100_000);
        // Has no finite value, or none that fits: an end is all we ask.
        generate(&json!({"$ref": "#"}), &Hints::default(), 1);
        generate(&json!({"type": "array", "minItems": 1u64 << 60}), &Hints::default(), 1);
        generate(&json!({"type": "string", "minLength": 1u64 << 60}), &Hints::default(), 1);
    }

    #[test]
    fn members_are_filled_from_the_prompt() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": "integer"},
                "city": {"type": "string"},
                "mood": {"enum": ["sad", "happy"]},
            },
            "required": ["name", "age", "city", "mood"],
        });
        let value = valid(&schema, "Anna, 34, lives in Berlin and is happy there.");
        assert_eq!(value, json!({"name": "Anna", "age": 34, "city": "Berlin", "mood": "happy"}));
    }
}
