"""`pointsman lsp` as editors see it: a real client of the protocol (pygls) over standard input and output."""

import asyncio
import contextlib
import re
import shutil

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import BaseLanguageClient

from harness import GATEWAY_BINARY, ROOT

PATIENCE = 30

POLICY = """\
language 1
import "shared/pools.policy" as shared

## Long prompts.
let heavy = input.tokens > 32k
pool main = [openai/gpt-5-mini, anthropic/claude-haiku-4.5] pick cheapest

route long when heavy and task == code -> shared.cheap {
  timeout total 60s
  fallback main on transient
}
default -> main
"""
POOLS = """\
## Where everything may go.
pool cheap = [openai/gpt-5-nano] pick first
"""


class Editor:
    """A folder with files, and a client that has it open."""

    def __init__(self, folder, client):
        self.folder, self.client, self.found, self.texts = folder, client, {}, {}
        self.told = asyncio.Condition()

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def _(params: lsp.PublishDiagnosticsParams):
            async with self.told:
                self.found[params.uri] = (params.version, params.diagnostics)
                self.told.notify_all()

    def uri(self, name):
        return (self.folder / name).as_uri()

    def id(self, name):
        return lsp.TextDocumentIdentifier(uri=self.uri(name))

    def open(self, name, text=None):
        text = (self.folder / name).read_text() if text is None else text
        self.texts[name] = (1, text)
        item = lsp.TextDocumentItem(uri=self.uri(name), language_id="policy", version=1, text=text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=item))

    def change(self, name, *changes):
        """Changes as (range, text); without a range the whole text. `self.texts` is not kept up for ranges."""
        version = self.texts[name][0] + 1
        self.texts[name] = (version, changes[-1][1])
        events = [
            lsp.TextDocumentContentChangePartial(range=place, text=text)
            if place
            else lsp.TextDocumentContentChangeWholeDocument(text=text)
            for place, text in changes
        ]
        document = lsp.VersionedTextDocumentIdentifier(uri=self.uri(name), version=version)
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(text_document=document, content_changes=events)
        )

    async def diagnostics(self, name, version=None, wanted=lambda found: True):
        """What was published last for a file, once it is about this version of it and as wanted."""

        def there():
            about, found = self.found.get(self.uri(name), (None, None))
            return found is not None and (version is None or about == version) and wanted(found)

        async with self.told:
            await asyncio.wait_for(self.told.wait_for(there), PATIENCE)
        return list(self.found[self.uri(name)][1])

    def at(self, name, needle, inside=0):
        return {"text_document": self.id(name), "position": position(self.texts[name][1], needle, inside)}

    async def completions(self, name, needle, inside=0):
        params = lsp.CompletionParams(**self.at(name, needle, inside))
        return list((await self.client.text_document_completion_async(params)).items)

    async def hover(self, name, needle, inside=0):
        told = await self.client.text_document_hover_async(lsp.HoverParams(**self.at(name, needle, inside)))
        return told and told.contents.value


def position(text, needle, inside=0):
    """Where a piece of text begins, or `inside` characters behind that, in UTF-16 units."""
    before = text[: text.index(needle) + inside]
    line = before.count("\n")
    column = before[before.rfind("\n") + 1 :]
    return lsp.Position(line=line, character=len(column.encode("utf-16-le")) // 2)


def edited(text, edits):
    """The text after edits, which must not overlap."""

    def byte(at):
        lines = text.split("\n")
        line = lines[at.line].encode("utf-16-le")[: at.character * 2].decode("utf-16-le")
        return sum(len(it) + 1 for it in lines[: at.line]) + len(line)

    for edit in sorted(edits, key=lambda it: (it.range.start.line, it.range.start.character), reverse=True):
        text = text[: byte(edit.range.start)] + edit.new_text + text[byte(edit.range.end) :]
    return text


@contextlib.asynccontextmanager
async def editor(folder, *arguments, snippets=True):
    client = BaseLanguageClient("pointsman-tests", "1")
    await client.start_io(str(GATEWAY_BINARY), "lsp", *arguments)
    completion = lsp.CompletionClientCapabilities(
        completion_item=lsp.ClientCompletionItemOptions(snippet_support=snippets)
    )
    it = Editor(folder, client)
    it.initialized = await client.initialize_async(
        lsp.InitializeParams(
            capabilities=lsp.ClientCapabilities(
                text_document=lsp.TextDocumentClientCapabilities(completion=completion)
            ),
            workspace_folders=[lsp.WorkspaceFolder(uri=folder.as_uri(), name="policies")],
        )
    )
    client.initialized(lsp.InitializedParams())
    try:
        yield it
    finally:
        await asyncio.wait_for(client.shutdown_async(None), PATIENCE)
        client.exit(None)
        await asyncio.wait_for(client._server.wait(), PATIENCE)
        it.status = client._server.returncode
        await client.stop()


def scene(test):
    """Runs an asynchronous test with an editor over a folder of two files."""

    def run(tmp_path):
        (tmp_path / "shared").mkdir()
        (tmp_path / "prod.policy").write_text(POLICY)
        (tmp_path / "shared/pools.policy").write_text(POOLS)

        async def body():
            async with editor(tmp_path) as it:
                await test(it)
            assert it.status == 0

        asyncio.run(body())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def codes(found):
    return sorted(it.code for it in found)


@scene
async def test_a_good_policy_has_no_findings_and_the_server_says_who_it_is(it):
    assert it.initialized.server_info.name == "pointsman"
    it.open("prod.policy")
    assert await it.diagnostics("prod.policy", 1) == []


@scene
async def test_findings_come_with_code_place_and_words(it):
    it.open("prod.policy", POLICY.replace("total 60s", "totl 60s"))
    [found] = await it.diagnostics("prod.policy", 1, bool)
    assert (found.code, found.source, found.severity) == ("P1106", "pointsman", lsp.DiagnosticSeverity.Error)
    assert found.range.start == lsp.Position(line=8, character=10)
    assert found.range.end == lsp.Position(line=8, character=14)
    assert "did you mean `total`?" in found.message
    # The page of the code is told as well.
    assert "**P1106**" in await it.hover("prod.policy", "totl", 1)


@scene
async def test_an_imported_file_shows_its_own_faults_and_is_followed_while_it_is_typed(it):
    it.open("prod.policy")
    assert await it.diagnostics("prod.policy", 1) == []
    it.open("shared/pools.policy", POOLS.replace("gpt-5-nano", "gpt-5-nanoo"))
    [found] = await it.diagnostics("shared/pools.policy", 1, bool)
    assert found.code == "P1104" and found.range.start.line == 1
    # What the editor has open counts, not what is on the disk.
    it.change("shared/pools.policy", (None, POOLS.replace("cheap", "cheep")))
    [found] = await it.diagnostics("prod.policy", 1, bool)
    assert found.code == "P1103" and "shared.cheap" in found.message
    # Closed without being saved, the disk counts again.
    it.client.text_document_did_close(lsp.DidCloseTextDocumentParams(text_document=it.id("shared/pools.policy")))
    assert await it.diagnostics("prod.policy", 1, lambda found: not found) == []
    assert await it.diagnostics("shared/pools.policy", None, lambda found: not found) == []


@scene
async def test_labels_elsewhere_are_related_information(it):
    it.open("prod.policy", POLICY + "pool main = [openai/gpt-5]\n")
    found = await it.diagnostics("prod.policy", 1, bool)
    [twice] = [it for it in found if it.code == "P1102"]
    [label] = twice.related_information
    assert label.location.uri == it.uri("prod.policy") and label.location.range.start.line == 5


@scene
async def test_a_delegated_file_is_checked_as_a_part_of_its_policy(it):
    (it.folder / "teams").mkdir()
    (it.folder / "prod.policy").write_text(
        POLICY.replace("default ->", 'delegate search when key.team == "search" to "teams/search.policy"\ndefault ->')
    )
    # On its own it would have no `main`, no `heavy` and no default.
    it.open("teams/search.policy", "route chat when heavy -> main\n")
    assert await it.diagnostics("teams/search.policy", 1) == []
    [place] = await it.client.text_document_definition_async(
        lsp.DefinitionParams(**it.at("teams/search.policy", "heavy"))
    )
    assert place.uri == it.uri("prod.policy") and place.range.start == lsp.Position(line=4, character=4)


@scene
async def test_hover_tells_what_things_are(it):
    it.open("prod.policy")
    await it.diagnostics("prod.policy", 1)
    assert "tokens" in await it.hover("prod.policy", "input.tokens", 3)
    assert "cost class 1" in await it.hover("prod.policy", "input.tokens", 3)
    assert await it.hover("prod.policy", "32k", 1) == "`32k` = 32 000 tokens"
    model = await it.hover("prod.policy", "openai/gpt-5-mini", 9)
    assert "**openai/gpt-5-mini**" in model and "per million tokens" in model and "context" in model
    pool = await it.hover("prod.policy", "main on", 1)
    # By price, the cheaper one first.
    assert re.search(r"2 models.*openai/gpt-5-mini.*anthropic/claude-haiku-4\.5", pool, re.S), pool
    assert "pick cheapest" in pool and "pool of prod.policy:6, used 2 times" in pool
    assert "Long prompts." in await it.hover("prod.policy", "heavy and", 2)
    assert "Where everything may go." in await it.hover("prod.policy", "shared.cheap", 8)
    assert "last wins" in await it.hover("prod.policy", "timeout", 2)
    assert "first that matches wins" in (await it.hover("prod.policy", "route", 2)).lower()
    assert await it.hover("prod.policy", "\n\n##", 1) is None


@scene
async def test_completion_knows_where_it_stands_even_in_broken_text(it):
    text = POLICY.replace("default -> main", "route x when \ndefault -> main {\n  fallback main on \n}\npool q = [")
    it.open("prod.policy", text)

    def labels(items):
        return [item.label for item in items]

    attributes = labels(await it.completions("prod.policy", "route x when ", 13))
    assert "input.tokens" in attributes and "heavy" in attributes and "price.output" not in attributes
    assert "rate_limited" in labels(await it.completions("prod.policy", "main on \n}", 8))
    targets = await it.completions("prod.policy", "-> main {", 3)
    assert labels(targets)[:2] == ["main", "shared.cheap"]
    assert "openai/gpt-5" in labels(await it.completions("prod.policy", "pool q = [", 10))
    [route] = [item for item in await it.completions("prod.policy", "\nroute x", 1) if item.label == "route"]
    assert route.insert_text_format == lsp.InsertTextFormat.Snippet and "${1:name}" in route.text_edit.new_text


def test_completion_without_snippets_has_none(tmp_path):
    async def body():
        async with editor(tmp_path, snippets=False) as it:
            it.open("new.policy", "\n")
            items = await it.completions("new.policy", "\n")
            assert "route" in [item.label for item in items]
            for item in items:
                assert item.insert_text_format is None and "$" not in item.text_edit.new_text

    asyncio.run(body())


@scene
async def test_definitions_and_references_across_files(it):
    it.open("prod.policy")
    params = lsp.DefinitionParams(**it.at("prod.policy", "shared.cheap", 8))
    [place] = await it.client.text_document_definition_async(params)
    assert (place.uri, place.range.start) == (it.uri("shared/pools.policy"), lsp.Position(line=1, character=5))
    # A path, and a prefix, lead to the file.
    for needle, inside in (('"shared/pools', 4), ("shared.cheap", 2)):
        params = lsp.DefinitionParams(**it.at("prod.policy", needle, inside))
        [place] = await it.client.text_document_definition_async(params)
        assert place.uri == it.uri("shared/pools.policy")
    context = lsp.ReferenceContext(include_declaration=True)
    params = lsp.ReferenceParams(context=context, **it.at("prod.policy", "pool main", 6))
    lines = [place.range.start.line for place in await it.client.text_document_references_async(params)]
    assert lines == [5, 9, 11]


@scene
async def test_renaming_across_two_files_keeps_the_policy_good(it):
    it.open("prod.policy")
    it.open("shared/pools.policy")
    where = it.at("shared/pools.policy", "cheap", 2)
    prepared = await it.client.text_document_prepare_rename_async(lsp.PrepareRenameParams(**where))
    assert prepared.placeholder == "cheap"
    edit = await it.client.text_document_rename_async(lsp.RenameParams(new_name="frugal", **where))
    assert set(edit.changes) == {it.uri("prod.policy"), it.uri("shared/pools.policy")}
    for name in ("prod.policy", "shared/pools.policy"):
        text = edited(it.texts[name][1], edit.changes[it.uri(name)])
        assert "frugal" in text and "cheap " not in text
        it.change(name, (None, text))
    # Between the two changes the policy was broken, and that may have been told.
    for name in ("prod.policy", "shared/pools.policy"):
        assert await it.diagnostics(name, 2, lambda found: not found) == []


@scene
async def test_names_that_cannot_be_are_refused(it):
    it.open("prod.policy", POLICY + "pool other = [openai/gpt-5]\n")
    for name, why in (("when", "word of the language"), ("other", "is the pool of"), ("a b", "no name"), ("requested", "meaning")):
        with pytest.raises(JsonRpcException, match=why):
            params = lsp.RenameParams(new_name=name, **it.at("prod.policy", "main on"))
            await it.client.text_document_rename_async(params)
    params = lsp.PrepareRenameParams(**it.at("prod.policy", "timeout"))
    assert await it.client.text_document_prepare_rename_async(params) is None


@scene
async def test_formatting_is_that_of_fmt_and_refuses_broken_text(it):
    options = lsp.FormattingOptions(tab_size=4, insert_spaces=True)
    text = POLICY.replace("pool main = [openai", "pool  main=[ openai").replace("\n  timeout", "\n      timeout")
    it.open("prod.policy", text)
    params = lsp.DocumentFormattingParams(text_document=it.id("prod.policy"), options=options)
    edits = await it.client.text_document_formatting_async(params)
    assert edited(text, edits) == POLICY
    it.change("prod.policy", (None, POLICY))
    assert not await it.client.text_document_formatting_async(params)
    it.change("prod.policy", (None, POLICY + "route x when\n"))
    with pytest.raises(JsonRpcException, match="line 13"):
        await it.client.text_document_formatting_async(params)


@scene
async def test_a_fix_that_is_applied_makes_the_finding_vanish(it):
    text = POLICY.replace("transient", "transiend").replace("task == code", "task = code")
    it.open("prod.policy", text)
    assert await it.diagnostics("prod.policy", 1, bool)
    # What could not be read could not be checked either, so mending it brings up the next.
    for _ in range(4):
        found = await it.diagnostics("prod.policy", it.texts["prod.policy"][0])
        if not found:
            break
        params = lsp.CodeActionParams(
            text_document=it.id("prod.policy"), range=found[0].range, context=lsp.CodeActionContext(diagnostics=found)
        )
        actions = await it.client.text_document_code_action_async(params)
        action = next(action for action in actions if action.kind == lsp.CodeActionKind.QuickFix)
        assert action.diagnostics[0].code == found[0].code
        text = edited(text, action.edit.changes[it.uri("prod.policy")])
        it.change("prod.policy", (None, text))
    assert await it.diagnostics("prod.policy", it.texts["prod.policy"][0], lambda found: not found) == []
    assert text == POLICY


@scene
async def test_all_that_is_safe_is_mended_at_once(it):
    text = POLICY.replace("heavy and task == code", "heavy && task = code")
    it.open("prod.policy", text)
    everything = lsp.Range(start=lsp.Position(0, 0), end=lsp.Position(99, 0))
    for _ in range(3):
        params = lsp.CodeActionParams(
            text_document=it.id("prod.policy"),
            range=everything,
            context=lsp.CodeActionContext(diagnostics=[], only=[lsp.CodeActionKind.SourceFixAll]),
        )
        actions = await it.client.text_document_code_action_async(params)
        if not actions:
            break
        [action] = actions
        text = edited(text, action.edit.changes[it.uri("prod.policy")])
        it.change("prod.policy", (None, text))
    assert text == POLICY


@scene
async def test_edits_of_pieces_and_characters_of_every_width(it):
    # One UTF-16 unit, one, two; and line ends of two bytes.
    text = '# ä€😀\r\ndeny x when task == code because "nö 😀!" status 4033\r\npool p = [openai/gpt-5]\r\ndefault -> p\r\n'
    it.open("wide.policy", text)
    found = await it.diagnostics("wide.policy", 1, bool)
    assert position(text, "4033") == found[0].range.start
    place = lsp.Range(start=position(text, "4033", 3), end=position(text, "4033", 4))
    it.change("wide.policy", (place, ""))
    assert await it.diagnostics("wide.policy", 2) == []
    # Two changes at once, the second counted after the first.
    name = position(text, "😀!")
    after = lsp.Position(name.line, name.character + 2)
    it.change("wide.policy", (lsp.Range(name, after), "ok"), (lsp.Range(after, after), "😀"))
    it.texts["wide.policy"] = (3, text.replace("4033", "403").replace("😀!", "ok😀!"))
    assert await it.diagnostics("wide.policy", 3) == []
    assert "**openai/gpt-5**" in await it.hover("wide.policy", "openai/gpt-5", 2)
    params = lsp.DefinitionParams(**it.at("wide.policy", "-> p", 3))
    [place] = await it.client.text_document_definition_async(params)
    assert place.range.start == lsp.Position(line=2, character=5)


@scene
async def test_outline_and_folds(it):
    it.open("prod.policy")
    params = lsp.DocumentSymbolParams(text_document=it.id("prod.policy"))
    symbols = await it.client.text_document_document_symbol_async(params)
    assert [symbol.name for symbol in symbols] == ["shared", "heavy", "main", "long", "default"]
    params = lsp.FoldingRangeParams(text_document=it.id("prod.policy"))
    folds = await it.client.text_document_folding_range_async(params)
    assert [(fold.start_line, fold.end_line) for fold in folds] == [(7, 9)]


@scene
async def test_colours_cover_the_text_without_overlaps(it):
    it.open("prod.policy", text := POLICY + 'test "ä😀" { given task = code; expect route == long }\n')
    params = lsp.SemanticTokensParams(text_document=it.id("prod.policy"))
    data = (await it.client.text_document_semantic_tokens_full_async(params)).data
    types = it.initialized.capabilities.semantic_tokens_provider.legend.token_types
    line, column, pieces, end = 0, 0, [], (0, 0)
    for down, right, length, kind, _ in zip(*[iter(data)] * 5):
        line, column = line + down, right + (column if down == 0 else 0)
        assert (line, column) >= end
        end = (line, column + length)
        units = text.split("\n")[line].encode("utf-16-le")[column * 2 : (column + length) * 2]
        pieces.append((units.decode("utf-16-le"), types[kind]))
    for piece in [
        ("language", "keyword"), ("shared", "namespace"), ("## Long prompts.", "comment"), ("heavy", "variable"),
        ("32k", "number"), ("main", "class"), ("gpt-5-mini", "type"), ("long", "function"), ("tokens", "property"),
        ('"ä😀"', "string"), ("timeout", "keyword"), ("cheap", "class"),
    ]:
        assert piece in pieces, piece


@scene
async def test_texts_that_are_not_open_are_answered_with_an_error(it):
    for wanted in ("prod.policy", "nowhere.policy"):
        it.texts[wanted] = (1, POLICY)
        with pytest.raises(JsonRpcException, match="is not open"):
            await it.hover(wanted, "heavy")


@scene
async def test_enormous_and_odd_texts_are_survived(it):
    it.open("big.policy", "pool p = [openai/gpt-5]\n" * 60_000)
    assert codes(await it.diagnostics("big.policy", 1, bool)) == ["P0001"]
    assert await it.completions("big.policy", "pool") == []
    it.open("deep.policy", "let a = " + "(" * 5_000)
    assert codes(await it.diagnostics("deep.policy", 1, bool)) == ["P0002"]
    it.open("odd.policy", "\x00\ufeff}{\"😀\r\r\n" + "[" * 40)
    assert await it.diagnostics("odd.policy", 1, bool)


def test_all_examples_are_good_in_the_editor(tmp_path):
    shutil.copytree(ROOT / "policies", tmp_path, dirs_exist_ok=True)

    async def body():
        async with editor(tmp_path) as it:
            files = sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.policy"))
            assert len(files) > 12
            for file in files:
                it.open(file)
            for file in files:
                found = await it.diagnostics(file, 1)
                errors = [it for it in found if it.severity == lsp.DiagnosticSeverity.Error]
                assert errors == [], file

    asyncio.run(body())


def test_models_of_the_configuration_are_known(tmp_path):
    config = tmp_path / "pointsman.yaml"
    config.write_text(
        "providers:\n  mine:\n    kind: openai\n    base_url: http://127.0.0.1:9/v1\n    models: [big]\n"
    )

    async def body():
        async with editor(tmp_path, "--config", str(config)) as it:
            it.open("own.policy", "default -> mine/big\n")
            assert await it.diagnostics("own.policy", 1) == []
            assert "mine/big" in [item.label for item in await it.completions("own.policy", "mine/big", 5)]

    asyncio.run(body())
