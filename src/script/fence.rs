//! The engine that scripts run in, and everything that keeps them inside.
//!
//! Steps are counted and the clock is looked at by the interpreter, between calls of built-in
//! functions. So each built-in function must be short by itself: texts and lists have a size at
//! which none of them takes long, and the few that could make much out of little are replaced.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::Instant;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, INT, ImmutableString, Map, OptimizationLevel, Position,
};

/// The longest text in a script, in bytes; of all texts in one list or map together.
pub const LONGEST_TEXT: usize = 16 * 1024;
/// The most elements of a list or a map, with all that lie in it.
const MOST_ELEMENTS: usize = 512;
/// How deep functions may call each other. Times the depth of expressions, this is what the
/// thread's stack has to hold.
const MOST_CALLS: usize = 12;
const DEEPEST_EXPRESSION: usize = 24;
const MOST_VARIABLES: usize = 128;
const MOST_FUNCTIONS: usize = 64;

/// Any fixed numbers: with them, names hash alike in every process.
const HASHING_SEED: [u64; 4] = [0x706f_696e, 0x7473_6d61, 0x6e5f_7363, 0x7269_7074];

rhai::def_package! {
    /// What scripts may call. The packages that reach the outside are left out: `sleep`, `exit` and
    /// `parse_json` stand in the core of the language, clocks, blobs and files in others.
    Allowed(module) :
        ArithmeticPackage,
        LogicPackage,
        BasicStringPackage,
        MoreStringPackage,
        BasicMathPackage,
        BasicIteratorPackage,
        BasicArrayPackage,
        BasicMapPackage
    {
        _ = module;
    }
}

static ALLOWED: LazyLock<Allowed> = LazyLock::new(|| {
    // The first to set it wins, and there is nobody else.
    _ = rhai::config::hashing::set_hashing_seed(Some(HASHING_SEED));
    Allowed::new()
});

thread_local! {
    /// When the script that runs on this thread must stop.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs something that is to stop at the deadline.
pub(super) fn until<T>(deadline: Instant, run: impl FnOnce() -> T) -> T {
    DEADLINE.set(Some(deadline));
    let done = run();
    DEADLINE.set(None);
    done
}

/// An engine for scripts that may take so many steps.
pub(super) fn engine(max_ops: u64) -> Engine {
    let allowed = &*ALLOWED;
    let mut engine = Engine::new_raw();
    allowed.register_into_engine(&mut engine);
    for word in ["eval", "import", "export", "print", "debug"] {
        engine.disable_symbol(word);
    }
    engine
        .set_optimization_level(OptimizationLevel::Simple)
        // A misspelt name is an error that the first trial finds, and no silent `()`.
        .set_fail_on_invalid_map_property(true)
        .set_max_operations(max_ops)
        .set_max_expr_depths(DEEPEST_EXPRESSION, DEEPEST_EXPRESSION)
        .set_max_call_levels(MOST_CALLS)
        .set_max_variables(MOST_VARIABLES)
        .set_max_functions(MOST_FUNCTIONS)
        .set_max_string_size(LONGEST_TEXT)
        .set_max_array_size(MOST_ELEMENTS)
        .set_max_map_size(MOST_ELEMENTS)
        .on_progress(|_| {
            let late = DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline);
            late.then_some(Dynamic::UNIT)
        });
    replace_bombs(&mut engine);
    replace_recursion(&mut engine);
    engine
}

type Fallible = Result<(), Box<EvalAltResult>>;

/// The functions whose result can be far larger than their arguments, with the size looked at first.
/// What is registered here goes before what packages bring.
fn replace_bombs(engine: &mut Engine) {
    fn replace(text: &mut ImmutableString, find: &str, with: &str) -> Fallible {
        let times = text.matches(find).count();
        let more = with.len().saturating_sub(find.len()).saturating_mul(times);
        if text.len().saturating_add(more) > LONGEST_TEXT {
            return too_large("Length of string");
        }
        *text = text.replace(find, with).into();
        Ok(())
    }
    /// No more pieces are made than may be kept.
    fn pieces(all: impl Iterator<Item = impl Into<Dynamic>>) -> Result<Array, Box<EvalAltResult>> {
        let list: Array = all.take(MOST_ELEMENTS + 1).map(Into::into).collect();
        if list.len() > MOST_ELEMENTS {
            too_large("Size of array")?;
        }
        Ok(list)
    }
    /// A number of pieces; none of fewer than one.
    fn most(count: INT) -> usize {
        usize::try_from(count).unwrap_or(0).max(1)
    }
    fn texts<'a>(all: impl Iterator<Item = &'a str>) -> impl Iterator<Item = ImmutableString> {
        all.map(ImmutableString::from)
    }
    engine
        .register_fn("to_chars", |text: &str| pieces(text.chars()))
        .register_fn("split", |text: &str| pieces(texts(text.split_whitespace())))
        .register_fn("split", |text: &str, at: &str| pieces(texts(text.split(at))))
        .register_fn("split", |text: &str, at: char| pieces(texts(text.split(at))))
        .register_fn("split", |text: &str, at: &str, count: INT| {
            pieces(texts(text.splitn(most(count), at)))
        })
        .register_fn("split", |text: &str, at: char, count: INT| {
            pieces(texts(text.splitn(most(count), at)))
        })
        .register_fn("split_rev", |text: &str, at: &str| pieces(texts(text.rsplit(at))))
        .register_fn("split_rev", |text: &str, at: char| pieces(texts(text.rsplit(at))))
        .register_fn("split_rev", |text: &str, at: &str, count: INT| {
            pieces(texts(text.rsplitn(most(count), at)))
        })
        .register_fn("split_rev", |text: &str, at: char, count: INT| {
            pieces(texts(text.rsplitn(most(count), at)))
        })
        .register_fn("replace", replace)
        .register_fn("replace", |text: &mut ImmutableString, find: char, with: char| {
            replace(text, find.encode_utf8(&mut [0; 4]), with.encode_utf8(&mut [0; 4]))
        })
        .register_fn("replace", |text: &mut ImmutableString, find: char, with: &str| {
            replace(text, find.encode_utf8(&mut [0; 4]), with)
        })
        .register_fn("replace", |text: &mut ImmutableString, find: &str, with: char| {
            replace(text, find, with.encode_utf8(&mut [0; 4]))
        })
        .register_fn("pad", |list: &mut Array, len: INT, item: Dynamic| -> Fallible {
            let Ok(len) = usize::try_from(len) else { return Ok(()) };
            // What lies in a nested element is multiplied too.
            let nested = item.is_array() || item.is_map();
            if len > MOST_ELEMENTS || (nested && len > list.len() + 1) {
                return too_large("Size of array");
            }
            if len > list.len() {
                list.resize(len, item);
            }
            Ok(())
        });
}

/// The functions that go through nested data by calling the interpreter again for each level, which
/// would need far more stack than a thread has.
fn replace_recursion(engine: &mut Engine) {
    fn written(value: &Dynamic) -> Result<String, Box<EvalAltResult>> {
        let mut text = String::new();
        write(value, DEEPEST_WRITTEN, &mut text)?;
        Ok(text)
    }
    for name in ["to_string", "to_debug"] {
        engine
            .register_fn(name, |list: &mut Array| written(&Dynamic::from_array(list.clone())))
            .register_fn(name, |map: &mut Map| written(&Dynamic::from_map(map.clone())));
    }
    engine
        .register_fn("to_json", |map: &mut Map| {
            written(&Dynamic::from_map(map.clone()))?;
            Ok::<_, Box<EvalAltResult>>(rhai::format_map_as_json(map))
        })
        .register_fn("==", |a: &mut Array, b: Array| same_lists(a, &b))
        .register_fn("!=", |a: &mut Array, b: Array| !same_lists(a, &b))
        .register_fn("==", |a: &mut Map, b: Map| same_maps(a, &b))
        .register_fn("!=", |a: &mut Map, b: Map| !same_maps(a, &b));
}

/// Data nested deeper than this is not written out.
const DEEPEST_WRITTEN: usize = 32;

fn write(value: &Dynamic, depth: usize, text: &mut String) -> Fallible {
    if depth == 0 {
        return too_large("Depth of data");
    }
    let before = text.len();
    if let Ok(list) = value.as_array_ref() {
        text.push('[');
        for (at, item) in list.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { ", " });
            write(item, depth - 1, text)?;
        }
        text.push(']');
    } else if let Ok(map) = value.as_map_ref() {
        text.push_str("#{");
        for (at, (name, item)) in map.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { ", " });
            text.push_str(&format!("{name:?}: "));
            write(item, depth - 1, text)?;
        }
        text.push('}');
    } else {
        text.push_str(&format!("{value:?}"));
    }
    if text.len() - before > LONGEST_TEXT { too_large("Length of string") } else { Ok(()) }
}

fn same_lists(a: &Array, b: &Array) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

fn same_maps(a: &Map, b: &Map) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((name, a), (other, b))| name == other && same(a, b))
}

fn same(a: &Dynamic, b: &Dynamic) -> bool {
    if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
        return same_lists(&a, &b);
    }
    if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
        return same_maps(&a, &b);
    }
    let float =
        |value: &Dynamic| value.as_float().or_else(|_| value.as_int().map(|int| int as f64));
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return a == b;
    }
    if let (Ok(a), Ok(b)) = (float(a), float(b)) {
        return a == b;
    }
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return *a == *b;
    }
    let simple = (a.as_bool().ok(), a.as_char().ok(), a.is_unit());
    simple != (None, None, false) && simple == (b.as_bool().ok(), b.as_char().ok(), b.is_unit())
}

fn too_large(what: &str) -> Fallible {
    Err(Box::new(EvalAltResult::ErrorDataTooLarge(what.into(), Position::NONE)))
}
