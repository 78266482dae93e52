//! From a name to its declaration and its uses, to another name, and to the outline of a file.

use std::collections::HashMap;

use lsp_types::{
    DocumentSymbol, FoldingRange, FoldingRangeKind, Location, Position, Range, SymbolKind,
    TextEdit, Uri, WorkspaceEdit,
};

use super::diagnostics::edit;
use super::documents::{Cursor, Document, Policy, Workspace};
use super::index::{Declaration, Kind, Space, What};
use super::position::Lines;
use crate::policy::load::joined;
use crate::policy::schema::Attr;
use crate::policy::syntax::scan::{Kind as Piece, Scan, scan, too_large};
use crate::policy::syntax::tree::{Item, Span};
use crate::policy::syntax::words::RESERVED;

impl Cursor<'_> {
    /// The declaration that the name here leads to.
    pub fn declaration(&self) -> Option<usize> {
        match self.policy.index.at(self.byte)?.what {
            What::Declared(number) | What::Used(number) => Some(number),
            _ => None,
        }
    }
}

/// Where the name or the file at a position is declared.
pub fn definition(workspace: &Workspace, path: &str, position: Position) -> Vec<Location> {
    let mut found = Vec::new();
    for cursor in workspace.cursors(path, position) {
        let place = match cursor.policy.index.at(cursor.byte).map(|spot| &spot.what) {
            Some(What::Declared(number) | What::Used(number)) => {
                let declaration = &cursor.policy.index.declarations[*number];
                // A prefix stands for a file.
                file_of_prefix(workspace, cursor.policy, declaration)
                    .unwrap_or_else(|| workspace.location(cursor.policy, declaration.span))
            }
            Some(What::File(file)) => start_of(workspace, cursor.policy, file),
            _ => continue,
        };
        if !found.contains(&place) {
            found.push(place);
        }
    }
    found
}

fn start_of(workspace: &Workspace, policy: &Policy, file: &str) -> Location {
    let root = policy.loaded.sources.files().next().map_or("", |file| &**file);
    let path = joined(super::documents::folder_of(root), file);
    Location { uri: workspace.uri(&path), range: Range::default() }
}

fn file_of_prefix(
    workspace: &Workspace,
    policy: &Policy,
    declaration: &Declaration,
) -> Option<Location> {
    let unit = &policy.loaded.units[declaration.unit];
    unit.tree.items.iter().find_map(|line| match &line.node {
        Item::Import { path, alias: Some(alias) } if alias.span == declaration.span => {
            Some(start_of(workspace, policy, &joined(&unit.folder, &path.node)))
        }
        _ => None,
    })
}

/// Every use of the name at a position, in all files of all policies known.
pub fn references(
    workspace: &Workspace,
    path: &str,
    position: Position,
    declared: bool,
) -> Vec<Location> {
    let mut found = Vec::new();
    for cursor in workspace.cursors(path, position) {
        let Some(number) = cursor.declaration() else { continue };
        for span in cursor.policy.index.places(number, declared) {
            let place = workspace.location(cursor.policy, span);
            if !found.contains(&place) {
                found.push(place);
            }
        }
    }
    found
}

/// The name at a position, where it can be changed.
pub fn renamable(workspace: &Workspace, path: &str, position: Position) -> Option<(Range, String)> {
    workspace.cursors(path, position).into_iter().find_map(|cursor| {
        let number = cursor.declaration()?;
        let declaration = &cursor.policy.index.declarations[number];
        // What a test is called is a text like any other.
        if declaration.kind == Kind::Test {
            return None;
        }
        let spot = cursor.policy.index.at(cursor.byte)?;
        let range = cursor.policy.range(spot.span);
        Some((range, declaration.name.clone()))
    })
}

/// Gives another name to what the name at a position stands for, everywhere.
///
/// # Errors
/// Why it cannot have that name.
pub fn rename(
    workspace: &Workspace,
    path: &str,
    position: Position,
    name: &str,
) -> Result<WorkspaceEdit, String> {
    if renamable(workspace, path, position).is_none() {
        return Err("there is no name of this policy here".into());
    }
    let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
    for cursor in workspace.cursors(path, position) {
        let Some(number) = cursor.declaration() else { continue };
        may_be_called(cursor.policy, number, name)?;
        for span in cursor.policy.index.places(number, true) {
            let at = workspace.location(cursor.policy, span);
            let change = TextEdit { range: at.range, new_text: name.to_owned() };
            let of_file = changes.entry(at.uri).or_default();
            if !of_file.contains(&change) {
                of_file.push(change);
            }
        }
    }
    Ok(edit(changes))
}

fn may_be_called(policy: &Policy, number: usize, name: &str) -> Result<(), String> {
    let index = &policy.index;
    let declaration = &index.declarations[number];
    let words: Vec<&str> = match declaration.kind {
        Kind::Attribute => name.split('.').collect(),
        _ => vec![name],
    };
    for word in words {
        is_name(word)?;
    }
    let taken = match (declaration.space, name) {
        (Space::Target, "requested" | "models") | (Space::Route, "default" | "requested") => true,
        (Space::Name, name) => Attr::named(name).is_some(),
        _ => false,
    };
    if taken {
        return Err(format!("`{name}` has a meaning of its own"));
    }
    if name == declaration.name {
        return Ok(());
    }
    let clash = |other: usize| {
        let at = policy.loaded.sources.at(index.declarations[other].span);
        Err(format!("`{name}` is the {} of {at}", index.declarations[other].kind.word()))
    };
    if let Space::Inside(owner) = declaration.space {
        let same = index.inside(owner).find(|(_, it)| it.name == name);
        return same.map_or(Ok(()), |(other, _)| clash(other));
    }
    for unit in 0..policy.loaded.units.len() {
        let visible = index.visible(unit, declaration.space);
        let written = visible.iter().filter(|(_, it)| *it == number).map(|(written, _)| written);
        for old in written {
            let new = format!("{}{name}", &old[..old.len() - declaration.name.len()]);
            if let Some((_, other)) = visible.iter().find(|(it, _)| *it == new) {
                return clash(*other);
            }
        }
    }
    Ok(())
}

/// Whether the language takes a word as a name.
fn is_name(word: &str) -> Result<(), String> {
    if RESERVED.contains(&word) {
        return Err(format!("`{word}` is a word of the language"));
    }
    let mut chars = word.chars();
    let starts = chars.next().is_some_and(|it| it.is_ascii_alphabetic() || it == '_');
    let goes_on = chars.all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '-');
    if starts && goes_on && !word.ends_with('-') && !word.contains("--") {
        return Ok(());
    }
    Err(format!("`{word}` is no name: letters, digits, `_` and single `-` inside, a letter first"))
}

/// The outline of a file.
pub fn symbols(workspace: &Workspace, path: &str) -> Vec<DocumentSymbol> {
    let Some(policy) = workspace.of(path).next() else { return Vec::new() };
    let Some(unit) = policy.unit(path) else { return Vec::new() };
    let place = |span: Span| policy.range(span);
    let index = &policy.index;
    let mut found: Vec<DocumentSymbol> = Vec::new();
    for (number, declaration) in index.declarations.iter().enumerate() {
        if declaration.unit != unit || matches!(declaration.space, Space::Inside(_)) {
            continue;
        }
        let children: Vec<DocumentSymbol> =
            index.inside(number).map(|(_, it)| symbol(it, &place, None)).collect();
        found.push(symbol(declaration, &place, (!children.is_empty()).then_some(children)));
    }
    for line in &policy.loaded.units[unit].tree.items {
        let (name, at) = match &line.node {
            Item::Default { to, .. } => ("default".to_owned(), to.span),
            Item::Defaults(_) => ("defaults".to_owned(), line.span),
            Item::Alias { from, .. } => (format!("alias {}", from.node), from.span),
            _ => continue,
        };
        let (whole, kind) = (place(line.span), SymbolKind::Function);
        found.push(DocumentSymbol::new(name, None, kind, None, None, whole, place(at), None));
    }
    found.sort_by_key(|symbol| symbol.range.start);
    found
}

fn symbol(
    declaration: &Declaration,
    place: &impl Fn(Span) -> Range,
    children: Option<Vec<DocumentSymbol>>,
) -> DocumentSymbol {
    let kind = match declaration.kind {
        Kind::Pool | Kind::List => SymbolKind::Array,
        Kind::Ladder | Kind::Split | Kind::Experiment => SymbolKind::Class,
        Kind::Condition => SymbolKind::Boolean,
        Kind::Enum => SymbolKind::Enum,
        Kind::Member => SymbolKind::EnumMember,
        Kind::Schedule => SymbolKind::Constant,
        Kind::Attribute => SymbolKind::Property,
        Kind::Route | Kind::Delegate => SymbolKind::Function,
        Kind::Deny | Kind::Require | Kind::Tune => SymbolKind::Method,
        Kind::Budget | Kind::Limit => SymbolKind::Number,
        Kind::Invariant | Kind::Test => SymbolKind::Event,
        Kind::Step | Kind::Arm => SymbolKind::Field,
        Kind::Prefix => SymbolKind::Namespace,
    };
    // A test may be called nothing at all, an outline's entry may not.
    let name = if declaration.name.is_empty() { "\"\"" } else { &declaration.name }.to_owned();
    let (whole, at) = (place(declaration.whole), place(declaration.span));
    let detail = Some(declaration.kind.word().to_owned());
    DocumentSymbol::new(name, detail, kind, None, None, whole, at, children)
}

/// What can be folded: blocks, lists, and comments and imports of several lines.
pub fn folds(document: &Document) -> Vec<FoldingRange> {
    if too_large(&document.text).is_some() {
        return Vec::new();
    }
    let scan = scan(&document.text);
    let mut found = blocks(&scan, &document.lines);
    let line_of = |span: Span| document.lines.position(scan.text, span.start as usize).line;
    let whole_lines = scan.comments.iter().filter(|span| {
        let start = scan.text[..span.start as usize].rfind('\n').map_or(0, |at| at + 1);
        scan.text[start..span.start as usize].trim().is_empty()
    });
    found.extend(runs(whole_lines.map(|span| line_of(*span)), FoldingRangeKind::Comment));
    let imports = scan.tokens.iter().enumerate().filter(|(index, token)| {
        token.kind == Piece::Word && scan.text_of(*index) == "import" && scan.starts_line(*index)
    });
    found.extend(runs(imports.map(|(_, token)| line_of(token.span)), FoldingRangeKind::Imports));
    found
}

fn blocks(scan: &Scan<'_>, lines: &Lines) -> Vec<FoldingRange> {
    let partners = scan.partner.iter().enumerate();
    let pairs =
        partners.filter_map(|(open, close)| close.filter(|it| *it > open).map(|it| (open, it)));
    let line =
        |token: usize| lines.position(scan.text, scan.tokens[token].span.start as usize).line;
    pairs
        .map(|(open, close)| (line(open), line(close)))
        // The line of the closing bracket stays in sight.
        .filter(|(first, last)| last > first)
        .map(|(first, last)| fold(first, last - 1, FoldingRangeKind::Region))
        .collect()
}

fn fold(start_line: u32, end_line: u32, kind: FoldingRangeKind) -> FoldingRange {
    FoldingRange { start_line, end_line, kind: Some(kind), ..FoldingRange::default() }
}

/// Lines that follow each other, two at least.
fn runs(lines: impl Iterator<Item = u32>, kind: FoldingRangeKind) -> Vec<FoldingRange> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == line => *last = line,
            _ => runs.push((line, line)),
        }
    }
    let several = runs.into_iter().filter(|(first, last)| last > first);
    several.map(|(first, last)| fold(first, last, kind.clone())).collect()
}
