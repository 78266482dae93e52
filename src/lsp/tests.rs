use proptest::prelude::*;

use lsp_types::{Position, TextDocumentContentChangeEvent};

use super::*;
use crate::lsp::position::Lines;

fn document(text: &str) -> Document {
    let uri = Uri("file:///p.policy".into());
    Document { uri, version: 1, text: text.to_owned(), lines: Lines::of(text) }
}

fn apply(document: &Document, edits: &[TextEdit]) -> String {
    let mut text = document.text.clone();
    for edit in edits {
        let start = document.lines.byte(&text, edit.range.start);
        let end = document.lines.byte(&text, edit.range.end);
        text.replace_range(start..end, &edit.new_text);
    }
    text
}

#[test]
fn formatting_changes_only_what_differs() {
    let text = "# ä😀\npool p=[a/b]\npool q = [c/d]\n";
    let document = document(text);
    let Ok(edits) = formatted("p.policy", &document) else { panic!("readable") };
    assert_eq!(apply(&document, &edits), "# ä😀\npool p = [a/b]\npool q = [c/d]\n");
    let range = edits[0].range;
    assert_eq!((range.start, range.end), (Position::new(1, 0), Position::new(2, 0)));
}

#[test]
fn formatting_keeps_line_ends_and_refuses_what_it_cannot_read() {
    let crlf = document("pool p=[a/b]\r\n\r\n\r\n\r\npool q = [c/d]");
    let Ok(edits) = formatted("p.policy", &crlf) else { panic!("readable") };
    assert_eq!(apply(&crlf, &edits), "pool p = [a/b]\r\n\r\npool q = [c/d]\r\n");
    let Err(Refusal(_, why)) = formatted("p.policy", &document("pool p = [a/b]\npool = ")) else {
        panic!("broken")
    };
    assert!(why.starts_with("line 2 "), "{why}");
}

/// What the server says to messages that have all come before it looks at the first; and whether it
/// ends in order.
fn conversation(messages: Vec<Message>) -> (Vec<Message>, bool) {
    let (server, client) = Connection::memory();
    let initialize =
        Request::new(0.into(), "initialize".into(), serde_json::json!({ "capabilities": {} }));
    let initialized = Notification::new("initialized".into(), serde_json::json!({}));
    let first: [Message; 2] = [initialize.into(), initialized.into()];
    for message in first.into_iter().chain(messages) {
        client.sender.send(message).expect("the server is there");
    }
    let catalog = Arc::new(Catalog::embedded());
    let start = Start { catalog, policies: Vec::new(), warning: None };
    let in_order = serve(&server, start).expect("the protocol is kept");
    drop(server);
    (client.receiver.iter().collect(), in_order)
}

/// The codes of the errors among the answers, by request.
fn errors(said: &[Message]) -> Vec<(RequestId, i32)> {
    let error = |message: &Message| match message {
        Message::Response(Response { id, response_result: Err(error) }) => {
            Some((id.clone(), error.code))
        }
        _ => None,
    };
    said.iter().filter_map(error).collect()
}

fn note(method: &str, params: Value) -> Message {
    Notification::new(method.into(), params).into()
}

fn ask(id: i32, method: &str, params: Value) -> Message {
    Request::new(id.into(), method.into(), params).into()
}

#[test]
fn requests_can_be_withdrawn_and_odd_ones_are_refused() {
    let at = serde_json::json!({
        "textDocument": { "uri": "untitled:1" }, "position": { "line": 0, "character": 0 }
    });
    let (said, in_order) = conversation(vec![
        ask(1, "textDocument/hover", at.clone()),
        ask(2, "textDocument/hover", at),
        ask(3, "textDocument/hover", serde_json::json!({ "no": "position" })),
        ask(4, "textDocument/moniker", Value::Null),
        note("$/cancelRequest", serde_json::json!({ "id": 1 })),
        note("$/unheardOf", Value::Null),
        note("textDocument/didOpen", serde_json::json!([1])),
        ask(5, "shutdown", Value::Null),
        ask(6, "textDocument/hover", Value::Null),
        note("exit", Value::Null),
    ]);
    assert!(in_order);
    let expected = [
        (1, ErrorCode::RequestCanceled),
        (2, ErrorCode::InvalidParams),
        (3, ErrorCode::InvalidParams),
        (4, ErrorCode::MethodNotFound),
        (6, ErrorCode::InvalidRequest),
    ];
    assert_eq!(errors(&said), expected.map(|(id, code)| (id.into(), code as i32)));
}

#[test]
fn an_editor_that_just_leaves_is_no_trouble() {
    let (_, in_order) = conversation(vec![note("exit", Value::Null)]);
    assert!(!in_order);
}

fn workspace() -> Workspace {
    Workspace::new(Arc::new(Catalog::embedded()), Vec::new())
}

#[test]
fn changes_are_applied_one_behind_the_other() {
    let uri = Uri("untitled:1".into());
    let mut workspace = workspace();
    workspace.open(uri.clone(), 1, "pool 😀 = x\n".into());
    let change = |line, from, to, text: &str| {
        TextDocumentContentChangeEvent::TextDocumentContentChangePartial(
            lsp_types::TextDocumentContentChangePartial::new(
                lsp_types::Range::new(Position::new(line, from), Position::new(line, to)),
                None,
                text.into(),
            ),
        )
    };
    let changes =
        vec![change(0, 5, 7, "p"), change(0, 9, 10, "[a/b]\nsecond"), change(1, 0, 1, "S")];
    workspace.change(&uri, 2, changes);
    let document = &workspace.open["untitled:1"];
    assert_eq!((document.text.as_str(), document.version), ("pool p = [a/b]\nSecond\n", 2));
}

/// Asks everything at every byte of a text.
fn ask_everything(text: &str) {
    let uri = Uri("untitled:1".into());
    let mut workspace = workspace();
    workspace.open(uri.clone(), 1, text.to_owned());
    workspace.refresh();
    while workspace.check_next() {}
    let path = "untitled:1";
    let lines = Lines::of(text);
    navigate::symbols(&workspace, path);
    navigate::folds(&workspace.open[path]);
    if let Some(policy) = workspace.of(path).next() {
        semantic::tokens(policy, 0, &workspace.open[path]);
    }
    diagnostics::all(&workspace);
    let _ = formatted(path, &workspace.open[path]);
    for byte in 0..=text.len() {
        let at = lines.position(text, byte);
        hover::hover(&workspace, path, at);
        completion::complete(&workspace, path, at, true);
        navigate::definition(&workspace, path, at);
        navigate::references(&workspace, path, at, true);
        let _ = navigate::rename(&workspace, path, at, "other");
    }
}

const SAMPLE: &str = "enum t = a | b\nattribute key.tier: t from key.meta[\"x\"] else a\n\
    let h = key.tier == a\npool p = [openai/gpt-5] pick first\n\
    route r when h and pool[\"p\"].healthy < 2 -> p { cap $1 per request else degrade to p }\n\
    default -> p\ntest \"ä😀\" { given key.tier = b; expect route == r }\n";

#[test]
fn every_question_has_an_answer_in_a_good_text() {
    ask_everything(SAMPLE);
    ask_everything(&SAMPLE.replace('\n', "\r\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_text_is_too_broken(cut in 0usize..400, length in 0usize..60, what in "[\\PC{}\\[\\]\"#\n]{0,6}") {
        let mut text = SAMPLE.to_owned();
        let floor = |mut at: usize| { while !text.is_char_boundary(at) { at -= 1; } at };
        let (start, end) = (floor(cut.min(text.len())), floor((cut + length).min(text.len())));
        text.replace_range(start..end, &what);
        ask_everything(&text);
    }
}
