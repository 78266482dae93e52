//! Signs from other languages, and brackets and commas out of place.

use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, Edit, Fix};

use super::super::grammar::Rule;
use super::super::scan::{Kind, span};
use super::super::words::Place;
use super::Scene;

/// `'text'`, `‘text’`, `` `text` ``
pub fn quotes(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    const PAIRS: [(&str, &str); 5] = [("'", "'"), ("`", "`"), ("‘", "’"), ("“", "”"), ("„", "“")];
    let written = scene.text(scene.at);
    let (_, closer) = PAIRS.iter().find(|(opener, _)| *opener == written)?;
    let open = scene.span(scene.at);
    let rest = &scene.scan.text[open.end as usize..];
    let line = rest.split('\n').next().unwrap_or(rest);
    let error = |at| {
        Diagnostic::error(
            codes::WRONG_QUOTES,
            at,
            "texts stand in double quotes",
            format!("`{written}` does not start a text"),
        )
    };
    let Some(len) = line.find(closer) else { return Some(error(open)) };
    let start = open.end as usize;
    let close = span(start + len, start + len + closer.len());
    let edits =
        vec![Edit { span: open, text: "\"".into() }, Edit { span: close, text: "\"".into() }];
    let mut diagnostic = error(open.to(close));
    if !line[..len].contains(['"', '\\']) {
        diagnostic.fixes.push(Fix { title: "use double quotes".into(), edits });
    }
    Some(diagnostic)
}

/// `task = chat`
pub fn single_equals(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let written = scene.text(scene.at);
    let in_condition = scene.wants_rule(&[Rule::op, Rule::compare, Rule::p_lparen]);
    if in_condition && matches!(written, "=" | ":=") {
        return Some(
            Diagnostic::error(
                codes::SINGLE_EQUALS,
                scene.here(),
                format!("`{written}` sets, `==` compares"),
                "a comparison is meant here",
            )
            .fix("compare", scene.here(), "=="),
        );
    }
    let sets = scene.wants("=") && !scene.wants("==") && matches!(written, "==" | ":=");
    sets.then(|| {
        Diagnostic::error(
            codes::SINGLE_EQUALS,
            scene.here(),
            format!("`=` gives a value, `{written}` does not"),
            "a single `=` is meant here",
        )
        .fix("give a value", scene.here(), "=")
    })
}

/// `&&`, `||`, `!`
pub fn programmers_logic(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let written = scene.text(scene.at);
    let word = match written {
        "&&" | "&" => "and",
        "||" => "or",
        "|" if scene.wants("or") => "or",
        "!" => "not",
        _ => return None,
    };
    let here = scene.here();
    // `!x` has no blank, `not x` needs one.
    let next = here.end as usize;
    let blank = scene.scan.text[next..].starts_with([' ', '\t', '\n', '\r']);
    let before = scene.scan.text[..here.start as usize].ends_with([' ', '\t', '\n', '(']);
    let replacement =
        format!("{}{word}{}", if before { "" } else { " " }, if blank { "" } else { " " });
    Some(
        Diagnostic::error(
            codes::LOGIC_SIGNS,
            here,
            format!("`{written}` is written `{word}`"),
            "conditions are joined with words",
        )
        .fix(format!("write `{word}`"), here, replacement),
    )
}

/// `=<`, `<>`, `===`
pub fn other_comparison(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let (written, here) = (scene.text(scene.at), scene.here());
    let (meant, place) = match written {
        "=<" => ("<=", here),
        "<>" => ("!=", here),
        "=" if matches!(scene.before().map(|i| scene.text(i)), Some("==" | "!=")) => {
            let before = scene.before()?;
            (scene.text(before), scene.span(before).to(here))
        }
        "=>" if scene.wants("==") && !scene.wants("->") => (">=", here),
        _ => return None,
    };
    Some(
        Diagnostic::error(
            codes::SINGLE_EQUALS,
            place,
            format!("this comparison is written `{meant}`"),
            "not a comparison",
        )
        .note("comparisons: ==, !=, <, <=, >, >=")
        .fix(format!("write `{meant}`"), place, meant),
    )
}

/// `=>`, `→`, `--`, `to` where `->` leads to the target
pub fn wrong_arrow(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let written = scene.text(scene.at);
    let arrow_like = matches!(written, "=>" | "→" | "⇒" | "to" | "=" | ">");
    let here = scene.here();
    if !arrow_like || !scene.wants("->") {
        return None;
    }
    Some(
        Diagnostic::error(
            codes::WRONG_ARROW,
            here,
            format!("the way to a target is written `->`, not `{written}`"),
            "`->` is meant here",
        )
        .fix("write `->`", here, "->"),
    )
}

/// `-> [a, b]`, `-> a, b`
pub fn several_targets(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let goes = matches!(scene.keyword(), "route" | "default" | "alias" | "step");
    let arrow = scene.piece.clone().take_while(|i| *i < scene.at).any(|i| scene.text(i) == "->");
    let several = match scene.text(scene.at) {
        "[" => scene.wants_rule(&[Rule::target, Rule::model, Rule::name, Rule::ident]),
        "," => true,
        _ => false,
    };
    (goes && arrow && several).then(|| {
        Diagnostic::error(
            codes::SYNTAX,
            scene.here(),
            format!("a {} goes to one target", scene.keyword()),
            "a list cannot stand here",
        )
        .help("give the list a name, `pool NAME = [..] pick cheapest`, and go to that")
    })
}

/// `input.tokens + 5 > 3`
pub fn arithmetic(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let sign = matches!(scene.text(scene.at), "+" | "*" | "/" | "%" | "-");
    let inside = scene.wants("and") || scene.wants("==");
    (sign && inside && scene.place == Place::File).then(|| {
        Diagnostic::error(
            codes::SYNTAX,
            scene.here(),
            "a condition cannot calculate",
            "no arithmetic here",
        )
        .help("compare one attribute with a constant; `total.tokens` and `request.max_cost` are sums worked out for you")
    })
}

/// `in (a, b)`
pub fn round_list(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    if scene.text(scene.at) != "(" || !scene.wants("[") {
        return None;
    }
    let (open, close) = (scene.span(scene.at), scene.span((*scene.scan.partner.get(scene.at)?)?));
    let edits = vec![Edit { span: open, text: "[".into() }, Edit { span: close, text: "]".into() }];
    let mut diagnostic = Diagnostic::error(
        codes::OTHER_LANGUAGE,
        open.to(close),
        "a list stands in square brackets",
        "round brackets are for conditions",
    );
    diagnostic.fixes.push(Fix { title: "use square brackets".into(), edits });
    Some(diagnostic)
}

/// `// comment`, `-- comment`, `/* comment`
pub fn other_comment(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let (first, second) = (scene.text(scene.at), scene.text(scene.at + 1));
    if !matches!((first, second), ("/", "/") | ("-", "-") | ("/", "*")) {
        return None;
    }
    let place = scene.span(scene.at).to(scene.span(scene.at + 1));
    Some(
        Diagnostic::error(
            codes::OTHER_LANGUAGE,
            place,
            "comments start with `#`",
            format!("`{first}{second}` starts no comment"),
        )
        .fix("write `#`", place, "#"),
    )
}

/// `a > 2 and < 8`
pub fn comparison_without_attribute(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let joined = matches!(scene.before().map(|i| scene.text(i)), Some("and" | "or"));
    let compares = matches!(scene.text(scene.at), "<" | "<=" | ">" | ">=" | "==" | "!=" | "in");
    (joined && compares && scene.wants_rule(&[Rule::unary, Rule::conj, Rule::cond, Rule::p_lparen]))
        .then(|| {
            Diagnostic::error(
                codes::SYNTAX,
                scene.here(),
                "every test names its attribute",
                "the attribute is missing before this",
            )
            .help("a range is `in 2k..8k`: from the first up to, but without, the second")
        })
}

/// `{` on a line of its own
pub fn brace_on_next_line(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let brace = (scene.piece.start + 1..scene.piece.end)
        .find(|i| scene.text(*i) == "{" && scene.scan.starts_line(*i))?;
    if scene.at > brace {
        return None;
    }
    let before =
        (scene.piece.start..brace).rev().find(|i| scene.kind(*i) != Some(Kind::Newline))?;
    let (end, brace) = (scene.span(before).end as usize, scene.span(brace));
    let edits = vec![
        Edit { span: span(end, end), text: " {".into() },
        Edit { span: brace, text: String::new() },
    ];
    let mut diagnostic = Diagnostic::error(
        codes::MISSING_BRACE,
        brace,
        "`{` belongs at the end of the line above",
        "a line starts with `{`",
    );
    diagnostic.fixes.push(Fix { title: "move it up".into(), edits });
    Some(diagnostic)
}

/// A block's lines without the `{`
pub fn missing_brace(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let block = match scene.keyword() {
        "step" => Place::Body,
        keyword if scene.place == Place::File => Place::of(keyword)?,
        _ => return None,
    };
    let has_brace = scene.piece.clone().any(|i| scene.text(i) == "{");
    let word = scene.text(scene.at);
    let line_of_block = block.words().contains(&word)
        || (block == Place::Split && scene.kind(scene.at) == Some(Kind::Amount));
    let ended = scene.kind(scene.at).is_none();
    if has_brace || !(line_of_block || (ended && scene.wants("{"))) {
        return None;
    }
    // A route may be complete without a body; then the word must stand on a line of its own.
    let complete = scene.wants("{")
        || scene.wants("and")
        || scene.stops_at_line_end()
        || matches!(scene.keyword(), "defaults");
    if !complete || scene.wants(word) {
        return None;
    }
    let (gap, lines) = (scene.gap(), format!("{}s", block.line()));
    let keyword = scene.keyword();
    if ended {
        return Some(
            Diagnostic::error(
                codes::MISSING_BRACE,
                gap,
                format!("this `{keyword}` has no block"),
                "expected `{` here",
            )
            .help(format!("its {lines} stand between `{{` and `}}`")),
        );
    }
    Some(
        Diagnostic::error(
            codes::MISSING_BRACE,
            gap,
            format!("`{{` is missing before the {lines} of this `{keyword}`"),
            "expected `{` here",
        )
        .also(scene.span(scene.at), format!("the first of its {lines}"))
        .fix("open the block", gap, " {"),
    )
}

/// `key: value`
pub fn colon(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    if scene.text(scene.at) != ":" {
        return None;
    }
    let here = scene.here();
    let (meant, title) = match () {
        () if scene.wants("=") => (" =", "write `=`"),
        () if scene.wants("==") => (" ==", "write `==`"),
        () if scene.wants("->") => (" ->", "write `->`"),
        () => ("", "remove the colon"),
    };
    Some(
        Diagnostic::error(
            codes::COLON,
            here,
            "there are no `key: value` pairs in a policy",
            "no colon here",
        )
        .note("the same policy can be written as YAML in a `.yaml` file")
        .fix(title, here, meant),
    )
}

/// Commas that are missing, doubled, or left over
pub fn comma(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let here = scene.here();
    let error =
        |at, message: &str, label: &str| Diagnostic::error(codes::COMMA, at, message, label);
    let before = scene.before();
    if let Some(last) = before.filter(|i| scene.text(*i) == ",") {
        if scene.text(scene.at) == "," {
            return Some(error(here, "there are two commas", "one is too many").fix(
                "remove one",
                here,
                "",
            ));
        }
        let place = scene.span(last);
        if scene.reads_with(place, "") {
            return Some(error(place, "nothing follows this comma", "one comma too many").fix(
                "remove it",
                place,
                "",
            ));
        }
    }
    let written = scene.text(scene.at);
    if written == "," && (scene.wants("and") || scene.wants("or")) && !scene.wants(",") {
        return Some(
            error(here, "conditions are joined with `and` or `or`", "no comma here")
                .fix("both must hold", here, " and")
                .fix("one must hold", here, " or"),
        );
    }
    if written == ";" && scene.wants(",") {
        return Some(error(here, "elements are separated by commas", "a comma is meant here").fix(
            "write a comma",
            here,
            ",",
        ));
    }
    if written == "," {
        let rest = here.to(scene.end());
        let ends_line = scene.scan.starts_line(scene.at + 2);
        if scene.reads_with(here, "") || (ends_line && scene.reads_with(rest, "")) {
            return Some(error(here, "no comma here", "one comma too many").fix(
                "remove it",
                here,
                "",
            ));
        }
        return None;
    }
    let gap = scene.gap();
    let is_element = matches!(scene.kind(scene.at), Some(Kind::Word | Kind::Amount | Kind::Quoted));
    let helps = || scene.stop_with(gap, ",").is_none_or(|left| left < scene.left());
    (is_element && scene.wants(",") && helps()).then(|| {
        error(gap, "elements are separated by commas", "a comma is missing here")
            .fix("add it", gap, ",")
    })
}
