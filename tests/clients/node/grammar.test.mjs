// The TextMate grammar of examples/editor, with the tokeniser that VS Code uses.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import test from "node:test";
import oniguruma from "vscode-oniguruma";
import textmate from "vscode-textmate";
import { BINARY, CLEAN, ROOT } from "./harness.mjs";

const wasm = readFileSync(createRequire(import.meta.url).resolve("vscode-oniguruma/release/onig.wasm"));
await oniguruma.loadWASM(wasm);
const path = join(ROOT, "examples/editor/policy.tmLanguage.json");
const registry = new textmate.Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  }),
  loadGrammar: async () => textmate.parseRawGrammar(readFileSync(path, "utf8"), path),
});
const grammar = await registry.loadGrammar("source.policy");

/** All pieces of a text that are not blank, with their scopes from the outermost inwards. */
function pieces(text) {
  let state = textmate.INITIAL;
  return text.split(/\r?\n/).flatMap((line) => {
    const { tokens, ruleStack } = grammar.tokenizeLine(line, state);
    state = ruleStack;
    return tokens
      .map((token) => ({ text: line.slice(token.startIndex, token.endIndex).trim(), scopes: token.scopes.slice(1) }))
      .filter((piece) => piece.text);
  });
}

/** The innermost scope of each piece of a text, without the language's name. */
const shown = (text) =>
  pieces(text).map((piece) => `${piece.text} ${piece.scopes.at(-1)?.replace(/\.policy$/, "")}`);

function policies(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".policy"))
    .map((entry) => join(entry.parentPath, entry.name));
}

test("nothing in the example policies is left without a scope", () => {
  const files = policies(join(ROOT, "policies"));
  assert.ok(files.length > 12);
  for (const file of files) {
    const plain = pieces(readFileSync(file, "utf8")).filter((piece) => piece.scopes.length === 0);
    assert.deepEqual(plain, [], file);
  }
});

test("every keyword of the grammar has a scope of its own", () => {
  const pest = readFileSync(join(ROOT, "grammar/policy.pest"), "utf8");
  const keywords = [...pest.matchAll(/^k_\w+\s*=\s*@\{ "([\w-]+)"/gm)].map((match) => match[1]);
  assert.ok(keywords.length > 80, `${keywords.length}`);
  for (const keyword of keywords) {
    // Behind a bracket, so that it neither starts a statement nor names anything.
    const [, piece] = pieces(`(${keyword})`);
    assert.match(piece.scopes.at(-1), /^(keyword|support|constant\.language)\./, keyword);
  }
});

test("every attribute of the schema has the scope of attributes", () => {
  const schema = JSON.parse(execFileSync(BINARY, ["schema", "--json"], { env: CLEAN, encoding: "utf8" }));
  assert.ok(schema.length > 100);
  // These are words of the language too, and shown as such.
  const words = ["route", "model", "arm", "status", "max_cost"];
  for (const { name } of schema.filter(({ name }) => !words.includes(name))) {
    const found = pieces(`route r when ${name.replace("[]", '["x"]')} -> p`).slice(3, -2);
    for (const piece of found) assert.equal(piece.scopes[0], "variable.other.attribute.policy", `${name}: ${piece.text}`);
    assert.ok(found.length > 0, name);
  }
});

test("pieces are what they are", () => {
  const cases = {
    "route code when task == code -> large {": [
      "route keyword.control.statement", "code entity.name.function.route", "when keyword.control.condition",
      "task variable.other.attribute", "== keyword.operator.comparison", "code variable.other.name",
      "-> keyword.operator.arrow", "large variable.other.name", "{ punctuation.section",
    ],
    "pool p = [openai/gpt-5, ollama/qwen3:8b] pick least-busy": [
      "pool keyword.control.statement", "p entity.name.class.target", "= keyword.operator.assignment", "[ punctuation.section",
      "openai/gpt-5 support.constant.model", ", punctuation.separator", "ollama/qwen3:8b support.constant.model",
      "] punctuation.section", "pick support.function.directive", "least-busy constant.language.strategy",
    ],
    "limit tokens 200k tokens/min per key.team else queue 20s": [
      "limit keyword.control.statement", "tokens entity.name.function.budget", "200 constant.numeric.rate",
      "k tokens/min keyword.other.unit", "per keyword.other", "key.team variable.other.attribute",
      "else keyword.control.condition", "queue keyword.other", "20 constant.numeric", "s keyword.other.unit",
    ],
    "  cap $1_000.50 per request else warn": [
      "cap support.function.directive", "$1_000.50 constant.numeric.money", "per keyword.other", "request keyword.other",
      "else keyword.control.condition", "warn keyword.other",
    ],
    "let x = price.output <= $3/Mtok and not input.tokens in 2k..8k": [
      "let keyword.control.statement", "x entity.name.variable", "= keyword.operator.assignment",
      "price.output variable.other.attribute", "<= keyword.operator.comparison", "$3 constant.numeric.money",
      "/Mtok keyword.other.unit", "and keyword.operator.word", "not keyword.operator.word",
      "input.tokens variable.other.attribute", "in keyword.operator.word", "2 constant.numeric", "k keyword.other.unit",
      ".. keyword.operator.range", "8 constant.numeric", "k keyword.other.unit",
    ],
    'let y = request.model matches /a\\/"b/ or tag["x"] == "a\\n" # no': [
      "let keyword.control.statement", "y entity.name.variable", "= keyword.operator.assignment",
      "request.model variable.other.attribute", "matches keyword.operator.word", "/ punctuation.definition.string.begin",
      "a string.regexp", "\\/ constant.character.escape", '"b string.regexp', "/ punctuation.definition.string.end",
      "or keyword.operator.word", "tag variable.other.attribute", "[ punctuation.definition.index",
      '" string.quoted.double', "x string.quoted.double", '" string.quoted.double', "] punctuation.definition.index",
      "== keyword.operator.comparison", '" string.quoted.double', "a string.quoted.double",
      "\\n constant.character.escape", '" string.quoted.double', "# no comment.line.number-sign",
    ],
    "schedule office = mon..fri 08:00..19:00 Europe/Berlin": [
      "schedule keyword.control.statement", "office entity.name.variable", "= keyword.operator.assignment",
      "mon variable.other.name", ".. keyword.operator.range", "fri variable.other.name", "08:00 constant.numeric.clock",
      ".. keyword.operator.range", "19:00 constant.numeric.clock", "Europe/Berlin constant.other.timezone",
    ],
    "## It shows.\n# It does not.": ["## It shows. comment.line.documentation", "# It does not. comment.line.number-sign"],
    "route in-time when time-like -> a-pool.route": [
      "route keyword.control.statement", "in-time entity.name.function.route", "when keyword.control.condition",
      "time-like variable.other.name", "-> keyword.operator.arrow", "a-pool.route variable.other.name",
    ],
  };
  for (const [text, expected] of Object.entries(cases)) assert.deepEqual(shown(text), expected, text);
});

test("texts over several lines and unclosed ones end where they should", () => {
  const [first] = pieces('"""a\n"b" c\n"""').slice(1);
  assert.equal(first.scopes[0], "string.quoted.triple.policy");
  assert.equal(shown('deny x when a because "open\npool p = models').at(-1), "models keyword.other");
});

test("the extension's files can be read and name what is there", () => {
  const folder = join(ROOT, "examples/editor");
  const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const { contributes, main } = read("package.json");
  assert.equal(read(contributes.grammars[0].path).scopeName, contributes.grammars[0].scopeName);
  const { wordPattern } = read(contributes.languages[0].configuration);
  assert.equal("a shared.cheap-first b".match(new RegExp(wordPattern, "g"))[1], "shared.cheap-first");
  execFileSync(process.execPath, ["--check", join(folder, main)]);
});
