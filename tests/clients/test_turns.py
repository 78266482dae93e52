"""Conversations that go on after a tool was called: what the provider signed comes back to it, whoever carried it.

The first answer is a recording with thinking and calls. The client sends back what its SDK gave it, and the tools'
results; then the second request must bring the provider its own thoughts and signatures as they were. A frugal client
sends back no more than the calls: then the gateway's memory must bring the rest.
"""

import json
import re
from dataclasses import dataclass, field

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

import reading
from harness import Gateway
from recordings import configuration, exchange, name_of

RECORDED = [
    "anthropic-anthropic.messages-b514c9f926",  # the thinking itself is withheld
    "anthropic-anthropic.messages-stream-1f00122eaa",
    "gemini-gemini.generate-11385cca8a",
    "gemini-gemini.stream-06c23984ab",  # a call without an id
    "gemini-gemini.stream-49b6a3871a",  # two, of which the first is signed
    "openai-openai.responses-0da3d4c406",
    "azure-openai.responses-stream-020d6c3c5f",
    "openrouter-openai.chat-3e4f22cc95",
    "openrouter-openai.chat-65c66880f5",  # encrypted
    "openrouter-openai.chat-stream-7040a2d080",
    "bedrock-bedrock.converse-0134a99d72",
]
ASKED = "Do what you have to with the tools."
RESULT = "It is done, and it is fine."


@pytest.fixture(scope="module")
def exchanges():
    return {id: exchange(id) for id in RECORDED}


@pytest.fixture(scope="module")
def gateway(player, exchanges, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("turns"), configuration(player, exchanges.values()))
    yield gateway
    gateway.stop()


@dataclass
class Turn:
    """What an assistant's turn has of the provider's: as it came, and as it came back."""

    thoughts: list = field(default_factory=list)
    thoughts_again: list = field(default_factory=list)  # encrypted anew at the end of a stream
    calls: list = field(default_factory=list)  # (id, name, arguments)
    results: list = field(default_factory=list)  # (id, name), as far as the dialect has them


# ---- how each provider's answer was signed, and what its next request brings ---------------------------------------


def anthropic_blocks(blocks):
    turn = Turn()
    for block in blocks:
        if block["type"] in ("thinking", "redacted_thinking"):
            turn.thoughts.append(block)
        elif block["type"] == "tool_use":
            turn.calls.append((block["id"], block["name"], block["input"]))
    return turn


def anthropic_recorded(exchange):
    if exchange["response"]["kind"] == "json":
        return anthropic_blocks(exchange["response"]["body"]["content"])
    blocks = []
    for _, data in reading.events(exchange):
        if data["type"] == "content_block_start":
            blocks.append(data["content_block"])
        elif data["type"] == "content_block_delta":
            delta, block = data["delta"], blocks[data["index"]]
            kind = {"thinking_delta": "thinking", "signature_delta": "signature", "text_delta": "text"}.get(delta["type"])
            if kind:
                block[kind] += delta[kind]
            else:
                block["json"] = block.get("json", "") + delta["partial_json"]
    for block in blocks:
        if "json" in block:
            block["input"] = json.loads(block.pop("json") or "{}")
    return anthropic_blocks(blocks)


def anthropic_sent(body):
    *_, said, told = body["messages"]
    assert (said["role"], told["role"]) == ("assistant", "user")
    turn = anthropic_blocks(said["content"])
    for block in turn.thoughts:
        assert set(block) == {"type", "thinking", "signature"}
    assert said["content"][0] == turn.thoughts[0], "thinking comes first"
    for block in told["content"]:
        assert block["type"] == "tool_result" and RESULT in json.dumps(block["content"])
        turn.results.append((block["tool_use_id"], None))
    return turn


def gemini_parts(parts):
    turn = Turn()
    for part in parts:
        if "thoughtSignature" in part:
            held = next((kind for kind in ("functionCall", "text") if kind in part), None)
            # Google's SDK writes base64 in the alphabet for URLs, which is the same to Google.
            turn.thoughts.append((held, part["thoughtSignature"].replace("-", "+").replace("_", "/")))
        if "functionCall" in part:
            call = part["functionCall"]
            turn.calls.append((call.get("id"), call["name"], call.get("args") or {}))
    return turn


def gemini_recorded(exchange):
    streamed = exchange["response"]["kind"] == "sse"
    chunks = [data for _, data in reading.events(exchange)] if streamed else [exchange["response"]["body"]]
    return gemini_parts(part for chunk in chunks for part in chunk["candidates"][0]["content"].get("parts", []))


def gemini_sent(body):
    *_, said, told = body["contents"]
    assert said["role"] == "model" and told["role"] in ("user", "function")
    turn = gemini_parts(said["parts"])
    for part in told["parts"]:
        response = part["functionResponse"]
        assert set(part) == {"functionResponse"} and set(response) <= {"id", "name", "response"}
        assert RESULT in json.dumps(response["response"])
        turn.results.append((response.get("id"), response["name"]))
    return turn


def responses_items(items):
    turn = Turn()
    for item in items:
        if item.get("type") == "reasoning":
            turn.thoughts.append({key: item[key] for key in ("id", "encrypted_content", "summary")})
        elif item.get("type") == "function_call":
            turn.calls.append((item["call_id"], item["name"], json.loads(item["arguments"])))
    return turn


def responses_recorded(exchange):
    if exchange["response"]["kind"] == "json":
        return responses_items(exchange["response"]["body"]["output"])
    events = [data for _, data in reading.events(exchange)]
    turn = responses_items(data["item"] for data in events if data["type"] == "response.output_item.done")
    [output] = [data["response"]["output"] for data in events if data["type"] == "response.completed"]
    turn.thoughts_again = responses_items(output).thoughts
    return turn


def responses_sent(body):
    turn = responses_items(body["input"])
    order = [item.get("type") for item in body["input"] if item.get("type") in ("reasoning", "function_call", "function_call_output")]
    assert order.index("reasoning") < order.index("function_call") < order.index("function_call_output")
    for item in body["input"]:
        if item.get("type") == "function_call_output":
            assert RESULT in json.dumps(item["output"])
            turn.results.append((item["call_id"], None))
    return turn


def chat_message(message):
    turn = Turn(thoughts=message.get("reasoning_details") or [])
    for call in message["tool_calls"]:
        turn.calls.append((call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])))
    return turn


def chat_recorded(exchange):
    if exchange["response"]["kind"] == "json":
        return chat_message(exchange["response"]["body"]["choices"][0]["message"])
    details, calls = {}, {}
    for _, data in reading.events(exchange):
        for choice in data["choices"]:
            for detail in choice["delta"].get("reasoning_details") or []:
                known = details.setdefault(detail["index"], {})
                known |= detail | {"text": known.get("text", "") + detail.get("text", "")}
            for call in choice["delta"].get("tool_calls") or []:
                known = calls.setdefault(call["index"], {"id": call.get("id"), "function": {"name": call["function"].get("name"), "arguments": ""}})
                known["function"]["arguments"] += call["function"]["arguments"]
    return chat_message({"reasoning_details": list(details.values()), "tool_calls": list(calls.values())})


def chat_sent(body):
    at = next(at for at, message in enumerate(body["messages"]) if message["role"] == "assistant")
    turn = chat_message(body["messages"][at])
    for message in body["messages"][at + 1 :]:
        assert message["role"] == "tool" and RESULT in json.dumps(message["content"])
        turn.results.append((message["tool_call_id"], None))
    return turn


def bedrock_blocks(blocks):
    turn = Turn()
    for block in blocks:
        if "reasoningContent" in block:
            turn.thoughts.append(block["reasoningContent"])
        elif "toolUse" in block:
            call = block["toolUse"]
            turn.calls.append((call["toolUseId"], call["name"], call["input"]))
    return turn


def bedrock_recorded(exchange):
    return bedrock_blocks(exchange["response"]["body"]["output"]["message"]["content"])


def bedrock_sent(body):
    *_, said, told = body["messages"]
    turn = bedrock_blocks(said["content"])
    for block in told["content"]:
        assert RESULT in json.dumps(block["toolResult"]["content"])
        turn.results.append((block["toolResult"]["toolUseId"], None))
    return turn


PROVIDERS = {
    "anthropic.messages": (anthropic_recorded, anthropic_sent),
    "gemini.generate": (gemini_recorded, gemini_sent),
    "gemini.stream": (gemini_recorded, gemini_sent),
    "openai.responses": (responses_recorded, responses_sent),
    "openai.chat": (chat_recorded, chat_sent),
    "bedrock.converse": (bedrock_recorded, bedrock_sent),
}
# What a request may have, so that a client's own fields do not reach a provider of another kind.
FIELDS = {
    "anthropic.messages": {"model", "max_tokens", "messages", "tools", "tool_choice", "thinking", "stream", "output_config", "system"},
    "gemini.generate": {"contents", "tools", "toolConfig", "generationConfig", "systemInstruction"},
    "openai.responses": {
        "model", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "stream", "include", "store",
        "max_output_tokens", "instructions",
    },
    "openai.chat": {
        "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "reasoning_effort", "stream",
        "stream_options", "max_tokens", "max_completion_tokens",
    },
    "bedrock.converse": {"messages", "toolConfig", "inferenceConfig", "additionalModelRequestFields", "system"},
}
FIELDS["gemini.stream"] = FIELDS["gemini.generate"]

# ---- what each client does ----------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {}}


def by_chat(gateway, model, names, stream, frugal):
    client = openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0)
    tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in names]
    asked = {"model": model, "tools": tools, "reasoning_effort": "medium"}
    messages = [{"role": "user", "content": ASKED}]

    def ask():
        if not stream:
            return client.chat.completions.create(**asked, messages=messages)
        with client.chat.completions.stream(**asked, messages=messages) as events:
            return events.get_final_completion()

    said = ask().choices[0].message
    calls = said.tool_calls
    if frugal:
        kept = [
            {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
            for call in calls
        ]
        messages.append({"role": "assistant", "content": said.content, "tool_calls": kept})
    else:
        messages.append(said.to_dict())
    messages += [{"role": "tool", "tool_call_id": call.id, "content": RESULT} for call in calls]
    ask()


def by_responses(gateway, model, names, stream, frugal):
    client = openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0)
    asked = {
        "model": model, "tools": [{"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in names],
        "reasoning": {"effort": "medium"}, "include": ["reasoning.encrypted_content"], "store": False,
    }
    items = [{"role": "user", "content": ASKED}]

    def ask():
        if not stream:
            return client.responses.create(**asked, input=items)
        with client.responses.stream(**asked, input=items) as events:
            return events.get_final_response()

    said = ask().output
    calls = [item for item in said if item.type == "function_call"]
    if frugal:
        items += [
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments} for call in calls
        ]
    else:
        items += [item.to_dict() for item in said]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": RESULT} for call in calls]
    ask()


def by_messages(gateway, model, names, stream, frugal):
    client = anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0)
    asked = {
        "model": model, "max_tokens": 5000, "tools": [{"name": name, "input_schema": SCHEMA} for name in names],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    messages = [{"role": "user", "content": ASKED}]

    def ask():
        if not stream:
            return client.messages.create(**asked, messages=messages)
        with client.messages.stream(**asked, messages=messages) as events:
            return events.get_final_message()

    said = ask().content
    calls = [block for block in said if block.type == "tool_use"]
    if frugal:
        said = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input} for call in calls]
    messages.append({"role": "assistant", "content": said})
    messages.append({
        "role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT} for call in calls],
    })
    ask()


def by_gemini(gateway, model, names, stream, frugal):
    client = genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=gateway.url))
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name=name, parameters_json_schema=SCHEMA) for name in names])
    config = types.GenerateContentConfig(
        tools=[tool], thinking_config=types.ThinkingConfig(thinking_budget=2000, include_thoughts=True),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    contents = [types.Content(role="user", parts=[types.Part(text=ASKED)])]

    def ask():
        asked = {"model": model, "contents": contents, "config": config}
        if not stream:
            return client.models.generate_content(**asked).candidates[0].content.parts
        chunks = list(client.models.generate_content_stream(**asked))
        return [part for chunk in chunks for part in (chunk.candidates[0].content and chunk.candidates[0].content.parts) or []]

    said = ask()
    calls = [part.function_call for part in said if part.function_call]
    if frugal:
        said = [types.Part(function_call=types.FunctionCall(id=call.id, name=call.name, args=call.args)) for call in calls]
    contents.append(types.Content(role="model", parts=said))
    # As Google's own examples write it: without the call's id.
    results = [types.Part.from_function_response(name=call.name, response={"result": RESULT}) for call in calls]
    contents.append(types.Content(role="user", parts=results))
    ask()


CLIENTS = {"chat": by_chat, "responses": by_responses, "messages": by_messages, "gemini": by_gemini}
OWN = {
    "chat": {"openai.chat"}, "responses": {"openai.responses"}, "messages": {"anthropic.messages"},
    "gemini": {"gemini.generate", "gemini.stream"},
}


def second_request(gateway, player, exchange, client, frugal=False):
    """What the provider is asked after the tools have answered, and what it had said."""
    player.reset()
    recorded, sent = PROVIDERS[exchange["api"]]
    said = recorded(exchange)
    names = sorted({name for _, name, _ in said.calls})
    CLIENTS[client](gateway, f"{name_of(exchange)}/m", names, exchange["stream"], frugal)
    first, second = player.requests()
    assert set(second["body"]) <= FIELDS[exchange["api"]], "another dialect's fields"
    return said, sent(second["body"])


def compare(exchange, said, back):
    assert said.thoughts and back.thoughts in (said.thoughts, said.thoughts_again)
    if exchange["api"].startswith("gemini"):
        for (was, *call), (id, *again), (result, name) in zip(said.calls, back.calls, back.results, strict=True):
            assert again == call and name == call[0]
            assert result in (id, None)
            assert was is None or id == was
    else:
        assert back.calls == said.calls
        assert [id for id, _ in back.results] == [id for id, *_ in said.calls]


def pairs(excluded):
    return [(id, client) for id in RECORDED for client in CLIENTS if not excluded(id, client)]


def strung_together(id, client):
    """OpenAI's SDK strings the formats of OpenRouter's pieces together, with and without a gateway."""
    return id.startswith("openrouter-openai.chat-stream") and client == "chat"


def own(id, client):
    """A client's own dialect has a place for it: the request goes on as it came."""
    return any(f"-{api}-" in id for api in OWN[client])


@pytest.mark.parametrize(("id", "client"), pairs(strung_together))
def test_what_was_signed_comes_back(gateway, player, exchanges, id, client):
    said, back = second_request(gateway, player, exchanges[id], client)
    compare(exchanges[id], said, back)


@pytest.mark.parametrize(("id", "client"), pairs(own))
def test_what_a_frugal_client_drops_is_remembered(gateway, player, exchanges, id, client):
    said, back = second_request(gateway, player, exchanges[id], client, frugal=True)
    compare(exchanges[id], said, back)


SIGNED_WHOLE = {
    "anthropic-anthropic.messages-b514c9f926": "signature", "gemini-gemini.generate-11385cca8a": "thoughtSignature",
    "openai-openai.responses-0da3d4c406": "encrypted_content",
}


@pytest.mark.parametrize("other", SIGNED_WHOLE)
@pytest.mark.parametrize("id", SIGNED_WHOLE)
def test_what_one_provider_signed_no_other_gets(gateway, player, exchanges, id, other):
    player.reset()
    client = openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0)
    messages = [{"role": "user", "content": ASKED}]
    said = client.chat.completions.create(model=f"{name_of(exchanges[id])}/m", messages=messages).choices[0].message
    messages.append(said.to_dict())
    messages += [{"role": "tool", "tool_call_id": call.id, "content": RESULT} for call in said.tool_calls]
    client.chat.completions.create(model=f"{name_of(exchanges[other])}/m", messages=messages)
    _, second = player.requests()

    signed = re.findall(rf'"{SIGNED_WHOLE[id]}": "([^"]+)"', json.dumps(exchanges[id]["response"]["body"]))
    sent = json.dumps(second["body"])
    assert signed and all((signature in sent) == (id == other) for signature in signed)
    assert "pointsman" not in sent and RESULT in sent
