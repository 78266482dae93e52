//! `pointsman lsp`: what editors talk to, by the Language Server Protocol.
//!
//! One thread answers one message after the other. Findings are looked for when nothing else waits,
//! so that typing never waits for a check. [`documents`] holds the texts, [`index`] the names;
//! everything else turns them into answers.

pub mod completion;
mod context;
pub mod diagnostics;
pub mod documents;
pub mod hover;
pub mod index;
pub mod navigate;
pub mod position;
pub mod semantic;
pub mod words;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use lsp_server::{
    Connection, ErrorCode, Message, Notification, ProtocolError, Request, RequestId, Response,
};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionParams, CodeActionProvider, CompletionList,
    CompletionOptions, CompletionParams, DefinitionParams, Diagnostic, DidChangeTextDocumentParams,
    DidChangeWatchedFilesParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    DidSaveTextDocumentParams, DocumentFormattingParams, DocumentHighlight,
    DocumentHighlightParams, DocumentSymbolParams, FoldingRangeParams, Full, HoverParams,
    InitializeParams, MessageType, PrepareRenameParams, PrepareRenamePlaceholder,
    PublishDiagnosticsParams, ReferenceParams, RenameOptions, RenameParams, RenameProvider, Save,
    SemanticTokens, SemanticTokensOptions, SemanticTokensParams, SemanticTokensProvider,
    ServerCapabilities, ShowMessageParams, TextDocumentSync, TextDocumentSyncKind,
    TextDocumentSyncOptions, TextEdit, Uri, WorkDoneProgressOptions, WorkspaceFolders,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::documents::{Document, Workspace, path_of};
use crate::catalog::Catalog;
use crate::policy::sources::Sources;
use crate::policy::syntax::{self, tree::Span};

/// What the server is started with.
#[derive(Debug)]
pub struct Start {
    /// The models there are.
    pub catalog: Arc<Catalog>,
    /// The paths of the configuration's policies.
    pub policies: Vec<String>,
    /// What the user must know before anything else.
    pub warning: Option<String>,
}

/// Talks to one editor until it says goodbye. Whether it did so in order: `shutdown`, then `exit`.
///
/// # Errors
/// If the editor does not keep to the protocol's first and last words.
pub fn serve(connection: &Connection, start: Start) -> Result<bool, ProtocolError> {
    let (id, params) = connection.initialize_start()?;
    // What cannot be read is taken as unsaid: an editor with odd ideas of itself still gets answers.
    let params: InitializeParams = serde_json::from_value(params).unwrap_or_default();
    let answer = serde_json::json!({
        "capabilities": capabilities(),
        "serverInfo": { "name": "pointsman", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, answer)?;
    let mut workspace = Workspace::new(start.catalog, start.policies);
    workspace.set_folders(folders(&params));
    let snippets =
        (|| params.capabilities.text_document?.completion?.completion_item?.snippet_support)();
    let mut server = Server {
        connection,
        workspace,
        snippets: snippets.unwrap_or(false),
        shown: BTreeMap::new(),
        waiting: VecDeque::new(),
        is_unchecked: false,
        is_closing: false,
    };
    if let Some(message) = start.warning {
        server.notify(
            "window/showMessage",
            ShowMessageParams { kind: MessageType::Warning, message },
        );
    }
    Ok(server.run())
}

#[allow(deprecated, reason = "editors of before 2021 know no folders, only a root")]
fn folders(params: &InitializeParams) -> Vec<String> {
    match &params.workspace_folders_initialize_params.workspace_folders {
        Some(WorkspaceFolders::WorkspaceFolderList(folders)) => {
            folders.iter().map(|folder| path_of(&folder.uri)).collect()
        }
        _ => params.root_uri.iter().map(path_of).collect(),
    }
}

fn capabilities() -> ServerCapabilities {
    let characters = [".", "[", "\"", "/", " ", "$"].map(str::to_owned).to_vec();
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSync::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::Incremental),
            save: Some(Save::Bool(true)),
            ..TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(characters),
            ..CompletionOptions::default()
        }),
        code_action_provider: Some(CodeActionProvider::CodeActionOptions(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QuickFix, CodeActionKind::SourceFixAll]),
            ..CodeActionOptions::default()
        })),
        rename_provider: Some(RenameProvider::RenameOptions(RenameOptions {
            prepare_provider: Some(true),
            ..RenameOptions::default()
        })),
        semantic_tokens_provider: Some(SemanticTokensProvider::SemanticTokensOptions(
            SemanticTokensOptions::new(
                semantic::legend(),
                None,
                Some(Full::Bool(true)),
                WorkDoneProgressOptions::default(),
            ),
        )),
        hover_provider: Some(true.into()),
        definition_provider: Some(true.into()),
        references_provider: Some(true.into()),
        document_highlight_provider: Some(true.into()),
        document_symbol_provider: Some(true.into()),
        document_formatting_provider: Some(true.into()),
        folding_range_provider: Some(true.into()),
        ..ServerCapabilities::default()
    }
}

/// Why a request has no answer.
struct Refusal(ErrorCode, String);

type Answer = Result<Value, Refusal>;

struct Server<'a> {
    connection: &'a Connection,
    workspace: Workspace,
    /// The editor can fill in places of an inserted text.
    snippets: bool,
    /// What was published, by path, and for which version of an open text.
    shown: BTreeMap<String, (Option<i32>, Vec<Diagnostic>)>,
    /// Messages that have come and were not looked at.
    waiting: VecDeque<Message>,
    /// Something has changed since findings were looked for.
    is_unchecked: bool,
    /// The editor has said that it will go.
    is_closing: bool,
}

impl Server<'_> {
    fn run(&mut self) -> bool {
        loop {
            // Everything that is there is taken at once, so that a request that was withdrawn
            // meanwhile is not answered.
            while let Ok(message) = self.connection.receiver.try_recv() {
                self.take(message);
            }
            let message = match self.waiting.pop_front() {
                Some(message) => message,
                None if self.is_unchecked => {
                    self.check();
                    continue;
                }
                None => match self.connection.receiver.recv() {
                    Ok(message) => {
                        self.take(message);
                        continue;
                    }
                    Err(_) => return false,
                },
            };
            match message {
                Message::Request(request) => self.request(request),
                Message::Notification(note) if note.method == "exit" => return self.is_closing,
                Message::Notification(note) => self.notified(note),
                // Nothing is ever asked of the editor.
                Message::Response(_) => {}
            }
        }
    }

    /// Puts a message behind the others; one that withdraws a request takes that away at once.
    fn take(&mut self, message: Message) {
        match &message {
            Message::Notification(note) if note.method == "$/cancelRequest" => {
                self.cancel(&note.params["id"]);
            }
            _ => self.waiting.push_back(message),
        }
    }

    /// Checks one policy; tells what was found when all are checked.
    fn check(&mut self) {
        self.workspace.refresh();
        if !self.workspace.check_next() {
            self.is_unchecked = false;
            self.publish();
        }
    }

    fn publish(&mut self) {
        let mut all = diagnostics::all(&self.workspace);
        // Files that are no part of anything any more have no faults.
        for path in self.shown.keys() {
            all.entry(path.clone()).or_default();
        }
        let mut shown = BTreeMap::new();
        for (path, diagnostics) in all {
            let version = self.workspace.open.get(&path).map(|document| document.version);
            let (uri, is_empty) = (self.workspace.uri(&path), diagnostics.is_empty());
            let now = (version, diagnostics);
            let before = self.shown.get(&path);
            // Of a file that is not open only faults are told, and that they are gone.
            let is_news = before.map_or(version.is_some() || !is_empty, |before| *before != now);
            if is_news {
                let diagnostics = now.1.clone();
                let method = "textDocument/publishDiagnostics";
                self.notify(method, PublishDiagnosticsParams { uri, version, diagnostics });
            }
            if version.is_some() || !is_empty {
                shown.insert(path, now);
            }
        }
        self.shown = shown;
    }

    fn notify(&self, method: &str, params: impl Serialize) {
        self.send(Notification::new(method.to_owned(), params).into());
    }

    fn send(&self, message: Message) {
        // An editor that is gone wants no answers; the next read says so too.
        let _ = self.connection.sender.send(message);
    }

    fn notified(&mut self, note: Notification) {
        fn read<T: DeserializeOwned>(note: Notification) -> Option<T> {
            serde_json::from_value(note.params).ok()
        }
        match note.method.as_str() {
            "textDocument/didOpen" => {
                if let Some(DidOpenTextDocumentParams { text_document: it }) = read(note) {
                    self.shown.remove(&path_of(&it.uri));
                    self.workspace.open(it.uri, it.version, it.text);
                }
            }
            "textDocument/didChange" => {
                if let Some(DidChangeTextDocumentParams { text_document: it, content_changes }) =
                    read(note)
                {
                    let uri = it.text_document_identifier.uri;
                    self.workspace.change(&uri, it.version, content_changes);
                }
            }
            "textDocument/didClose" => {
                if let Some(DidCloseTextDocumentParams { text_document: it }) = read(note) {
                    self.workspace.close(&it.uri);
                }
            }
            "textDocument/didSave" => {
                if let Some(DidSaveTextDocumentParams { text_document: it, .. }) = read(note) {
                    self.workspace.changed(&path_of(&it.uri));
                }
            }
            "workspace/didChangeWatchedFiles" => {
                let changes = read(note).map(|it: DidChangeWatchedFilesParams| it.changes);
                for change in changes.into_iter().flatten() {
                    self.workspace.changed(&path_of(&change.uri));
                }
            }
            _ => return,
        }
        self.is_unchecked = true;
    }

    /// Withdraws a request that waits. One that was answered already stays answered.
    fn cancel(&mut self, id: &Value) {
        let Ok(id) = serde_json::from_value::<RequestId>(id.clone()) else { return };
        let is_it = |it: &Message| matches!(it, Message::Request(request) if request.id == id);
        if let Some(at) = self.waiting.iter().position(is_it) {
            self.waiting.remove(at);
            let code = ErrorCode::RequestCanceled as i32;
            self.send(Response::new_err(id, code, "withdrawn".into()).into());
        }
    }

    fn request(&mut self, request: Request) {
        let id = request.id.clone();
        let answer = if self.is_closing {
            Err(Refusal(ErrorCode::InvalidRequest, "the server is closing".into()))
        } else {
            self.answer(request)
        };
        self.send(match answer {
            Ok(value) => Response::new_ok(id, value).into(),
            Err(Refusal(code, why)) => Response::new_err(id, code as i32, why).into(),
        });
    }

    fn answer(&mut self, request: Request) -> Answer {
        self.workspace.refresh();
        let method = request.method.clone();
        match method.as_str() {
            "shutdown" => {
                self.is_closing = true;
                Ok(Value::Null)
            }
            "textDocument/hover" => {
                let HoverParams { text_document_position_params: at, .. } = read(request)?;
                let path = self.open(&at.text_document.uri)?;
                told(hover::hover(&self.workspace, &path, at.position))
            }
            "textDocument/completion" => {
                let CompletionParams { text_document_position_params: at, .. } = read(request)?;
                let path = self.open(&at.text_document.uri)?;
                let items =
                    completion::complete(&self.workspace, &path, at.position, self.snippets);
                told(CompletionList { is_incomplete: false, items, ..CompletionList::default() })
            }
            "textDocument/definition" => {
                let DefinitionParams { text_document_position_params: at, .. } = read(request)?;
                let path = self.open(&at.text_document.uri)?;
                told(navigate::definition(&self.workspace, &path, at.position))
            }
            "textDocument/references" => {
                let ReferenceParams { text_document_position_params: at, context, .. } =
                    read(request)?;
                let path = self.open(&at.text_document.uri)?;
                let declared = context.include_declaration;
                told(navigate::references(&self.workspace, &path, at.position, declared))
            }
            "textDocument/documentHighlight" => {
                let DocumentHighlightParams { text_document_position_params: at, .. } =
                    read(request)?;
                let path = self.open(&at.text_document.uri)?;
                let uri = self.workspace.uri(&path);
                let found = navigate::references(&self.workspace, &path, at.position, true);
                let here = found.into_iter().filter(|it| it.uri == uri);
                told(here.map(|it| DocumentHighlight::new(it.range, None)).collect::<Vec<_>>())
            }
            "textDocument/documentSymbol" => {
                let DocumentSymbolParams { text_document, .. } = read(request)?;
                let path = self.open(&text_document.uri)?;
                told(navigate::symbols(&self.workspace, &path))
            }
            "textDocument/foldingRange" => {
                let FoldingRangeParams { text_document, .. } = read(request)?;
                let path = self.open(&text_document.uri)?;
                told(self.workspace.open.get(&path).map(navigate::folds))
            }
            "textDocument/semanticTokens/full" => {
                let SemanticTokensParams { text_document, .. } = read(request)?;
                let path = self.open(&text_document.uri)?;
                let tokens = self.workspace.open.get(&path).and_then(|document| {
                    let policy = self.workspace.of(&path).next()?;
                    Some(semantic::tokens(policy, policy.unit(&path)?, document))
                });
                told(SemanticTokens::new(None, tokens.unwrap_or_default()))
            }
            "textDocument/prepareRename" => {
                let PrepareRenameParams { text_document_position_params: at, .. } = read(request)?;
                let path = self.open(&at.text_document.uri)?;
                let found = navigate::renamable(&self.workspace, &path, at.position);
                told(
                    found.map(|(range, placeholder)| PrepareRenamePlaceholder {
                        range,
                        placeholder,
                    }),
                )
            }
            "textDocument/rename" => {
                let RenameParams { text_document_position_params: at, new_name, .. } =
                    read(request)?;
                let path = self.open(&at.text_document.uri)?;
                let edit = navigate::rename(&self.workspace, &path, at.position, new_name.trim());
                told(edit.map_err(|why| Refusal(ErrorCode::RequestFailed, why))?)
            }
            "textDocument/formatting" => {
                let DocumentFormattingParams { text_document, .. } = read(request)?;
                let path = self.open(&text_document.uri)?;
                told(self.workspace.open.get(&path).map(|it| formatted(&path, it)).transpose()?)
            }
            "textDocument/codeAction" => {
                let params: CodeActionParams = read(request)?;
                self.open(&params.text_document.uri)?;
                while self.workspace.check_next() {}
                told(diagnostics::actions(&self.workspace, &params))
            }
            method => Err(Refusal(
                ErrorCode::MethodNotFound,
                format!("`{method}` is not something this server does"),
            )),
        }
    }

    /// The path of a text that is open.
    fn open(&self, uri: &Uri) -> Result<String, Refusal> {
        let path = path_of(uri);
        if self.workspace.open.contains_key(&path) {
            return Ok(path);
        }
        Err(Refusal(ErrorCode::InvalidParams, format!("`{}` is not open", uri.0)))
    }
}

fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let read = serde_json::from_value(request.params);
    read.map_err(|error| Refusal(ErrorCode::InvalidParams, error.to_string()))
}

fn told(answer: impl Serialize) -> Answer {
    let told = serde_json::to_value(answer);
    told.map_err(|error| Refusal(ErrorCode::InternalError, error.to_string()))
}

/// What turns a text into its canonical layout: at most one change, of the lines that differ. Texts
/// keep their way of ending lines.
fn formatted(path: &str, document: &Document) -> Result<Vec<TextEdit>, Refusal> {
    let text = &document.text;
    if path.ends_with(".yaml") || path.ends_with(".yml") {
        return Err(Refusal(ErrorCode::RequestFailed, "YAML is laid out by its own tools".into()));
    }
    let parsed = syntax::parse_file(path, text);
    if !parsed.is_ok() {
        let first = parsed.diagnostics.first();
        let line = first.map_or(1, |it| Sources::of(path, text).line(it.primary.span));
        let what = first.map_or("", |it| it.message.as_str());
        let why = format!("line {line} cannot be read, so the text stays as it is: {what}");
        return Err(Refusal(ErrorCode::RequestFailed, why));
    }
    let mut new = syntax::format(&parsed.file);
    if text.contains("\r\n") {
        new = new.replace('\n', "\r\n");
    }
    if new == *text {
        return Ok(Vec::new());
    }
    let same = |a: &str, b: &str| {
        let lines = a.split_inclusive('\n').zip(b.split_inclusive('\n'));
        lines.take_while(|(a, b)| a == b && a.ends_with('\n')).map(|(a, _)| a.len()).sum::<usize>()
    };
    let before = same(text, &new);
    let (old_rest, new_rest) = (&text[before..], &new[before..]);
    let after: usize = old_rest
        .split_inclusive('\n')
        .rev()
        .zip(new_rest.split_inclusive('\n').rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len())
        .sum();
    let span = Span { start: before as u32, end: (text.len() - after) as u32 };
    let range = document.lines.range(text, span);
    Ok(vec![TextEdit { range, new_text: new_rest[..new_rest.len() - after].to_owned() }])
}

#[cfg(test)]
mod tests;
