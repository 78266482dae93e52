"""Every client to every kind of provider: the official SDKs in front of the gateway, recorded answers behind it.

What an SDK makes of a translated answer is compared with an independent reading of the recording.
"""

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from harness import Gateway
from reading import READERS, Answer, arguments, read
from recordings import configuration, index, load, name_of, need

SAMPLES = 8  # of each wire format, whole and streamed
RICH = ["tool_call", "parallel_tool_calls", "reasoning", "refusal", "cache_read", "finish_length", "citations", "text"]


def sample():
    """A sample that has every feature of every wire format, the same one each time."""
    groups = {}
    for entry in index():
        complete = entry["status"] == 200 and "error" not in " ".join(entry["features"])
        if entry["id"] == "gemini-gemini.generate-2caec2c03a":
            continue  # enums as numbers, which Google's own client does not read
        if entry["api"] in READERS and complete and entry["fidelity"] != "response-only":
            groups.setdefault((entry["api"], entry["stream"]), []).append(entry)
    picked = []
    for _, entries in sorted(groups.items()):
        chosen, seen = [], set()
        for entry in entries:
            new = set(entry["features"]) & set(RICH) - seen
            if new and len(chosen) < SAMPLES:
                chosen.append(entry)
                seen |= new
        step = max(1, len(entries) // SAMPLES)
        chosen += [entry for entry in entries[::step] if entry not in chosen][: SAMPLES - len(chosen)]
        picked += chosen
    return [load(entry) for entry in picked]


EXCHANGES = sample()


def test_the_recordings_are_there():
    need()
    assert len(EXCHANGES) >= 80 and len({exchange["api"] for exchange in EXCHANGES}) >= 7


@pytest.fixture(scope="module")
def gateway(player, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("dialects"), configuration(player, EXCHANGES))
    yield gateway
    gateway.stop()


# ---- what each SDK makes of an answer ----------------------------------------------------------------------------


def add_content(answer, content):
    """Content is a text, or, where Mistral's own answers go through as they are, a list of parts."""
    if isinstance(content, list):
        for part in content:
            if part["type"] == "thinking":
                answer.thinking += "".join(piece.get("text", "") for piece in part["thinking"])
            else:
                answer.text += part.get("text", "")
    else:
        answer.text += content or ""


def by_chat(gateway, model, stream):
    client = openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0)
    asked = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    answer = Answer()
    if not stream:
        said = client.chat.completions.create(**asked)
        message, reason, usage = said.choices[0].message, said.choices[0].finish_reason, said.usage
        add_content(answer, message.content)
        answer.refusal = message.refusal or ""
        answer.thinking += getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
        for call in message.tool_calls or []:
            answer.calls.append((call.function.name, arguments(call.function.arguments)))
    else:
        calls, reason, usage = {}, None, None
        for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for choice in [choice for choice in chunk.choices if choice.index == 0]:
                reason = choice.finish_reason or reason
                delta = choice.delta
                add_content(answer, delta.content)
                answer.refusal += delta.refusal or ""
                answer.thinking += getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None) or ""
                for call in choice.delta.tool_calls or []:
                    known = calls.setdefault(call.index, ["", ""])
                    function = call.function
                    if function:
                        known[0] = known[0] or function.name or ""
                        known[1] += function.arguments or ""
        answer.calls = [(name, arguments(text)) for name, text in calls.values()]
    answer.finish = {"length": "length", "content_filter": "filter"}.get(reason, "stop")
    answer.prompt, answer.completion = usage.prompt_tokens, usage.completion_tokens
    cached = usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens or 0
    if cached > answer.prompt:
        answer.prompt += cached  # as the provider counts it, passed on
    return answer


def by_responses(gateway, model, stream):
    client = openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0)
    if stream:
        with client.responses.stream(model=model, input="hi") as events:
            texts, said = [], None
            for event in events:
                if event.type == "response.output_text.delta":
                    texts.append(event.delta)
                # `get_final_response` knows only the first of them.
                elif event.type in ("response.completed", "response.incomplete"):
                    said = event.response
            if said.status == "completed":
                assert events.get_final_response().output_text == said.output_text
        assert "".join(texts) == said.output_text
    else:
        said = client.responses.create(model=model, input="hi")
    answer = Answer(text=said.output_text)
    for item in said.output:
        match item.type:
            case "reasoning":
                answer.thinking += "".join(part.text for part in [*item.summary, *(item.content or [])])
            case "function_call":
                answer.calls.append((item.name, arguments(item.arguments)))
            case "message":
                answer.refusal += "".join(part.refusal for part in item.content if part.type == "refusal")
    if said.status == "incomplete":
        answer.finish = "filter" if said.incomplete_details.reason == "content_filter" else "length"
    answer.prompt, answer.completion = said.usage.input_tokens, said.usage.output_tokens
    return answer


def by_messages(gateway, model, stream):
    client = anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0)
    asked = {"model": model, "max_tokens": 5000, "messages": [{"role": "user", "content": "hi"}]}
    if stream:
        with client.messages.stream(**asked) as events:
            texts = list(events.text_stream)
            said = events.get_final_message()
        assert "".join(texts) == "".join(block.text for block in said.content if block.type == "text")
    else:
        said = client.messages.create(**asked)
    answer = Answer()
    for block in said.content:
        match block.type:
            case "text":
                answer.text += block.text
            case "thinking":
                answer.thinking += block.thinking
            case "tool_use":
                answer.calls.append((block.name, block.input))
    answer.finish = {"max_tokens": "length", "model_context_window_exceeded": "length", "refusal": "filter"}.get(said.stop_reason, "stop")
    usage = said.usage
    answer.prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    answer.completion = usage.output_tokens
    return answer


def by_gemini(gateway, model, stream):
    client = genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=gateway.url))
    if stream:
        chunks = list(client.models.generate_content_stream(model=model, contents="hi"))
    else:
        chunks = [client.models.generate_content(model=model, contents="hi")]
    answer, usage = Answer(), None
    for chunk in chunks:
        usage = chunk.usage_metadata or usage
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            answer.finish = "filter"
        for candidate in [it for it in chunk.candidates or [] if not it.index]:
            for part in (candidate.content and candidate.content.parts) or []:
                if part.function_call:
                    called = part.function_call.args or {}
                    # Arguments that were cut off are no object, which Google's must be.
                    answer.calls.append((part.function_call.name, called.get("pointsman:arguments", called)))
                elif part.thought:
                    answer.thinking += part.text or ""
                else:
                    answer.text += part.text or ""
            reason = candidate.finish_reason and candidate.finish_reason.name
            answer.finish = {"MAX_TOKENS": "length", "SAFETY": "filter"}.get(reason, answer.finish)
    answer.prompt = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
    answer.completion = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return answer


CLIENTS = {"chat": by_chat, "responses": by_responses, "messages": by_messages, "gemini": by_gemini}
OWN = {
    "chat": {"openai.chat", "mistral.chat"}, "responses": {"openai.responses"}, "messages": {"anthropic.messages"},
    "gemini": {"gemini.generate", "gemini.stream"},
}


def expected(exchange, client):
    essence = read(exchange).essence()
    if essence["prompt"] is None:
        essence["prompt"] = essence["completion"] = 0
    return essence


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange["id"])
def test_what_was_recorded_is_what_the_sdk_reads(gateway, exchange, client):
    got = CLIENTS[client](gateway, f"{name_of(exchange)}/m", exchange["stream"]).essence()
    assert got == expected(exchange, client)
