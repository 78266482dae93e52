"""What the official SDKs offer beyond a plain question: tokens counted, chats, parsed answers, embeddings, asynchrony."""

import asyncio
import base64
import json
import struct

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from pydantic import BaseModel

from harness import EASY, Gateway
from recordings import configuration, exchange, name_of

TEXTS = ["Ruby", "Python", "JavaScript"]
EMBEDDINGS = {
    "openai-openai.embeddings-efd96e3072": 3,
    "openai-openai.embeddings-821238a7f8": 1,  # base64
    "mistral-openai.embeddings-00f31c55a3": 3,
    "voyage-openai.embeddings-c610804470": 2,
    "voyage-openai.embeddings-2aee816f3f": 1,  # base64
    "cohere-cohere.embed-0e2f9d431e": 3,
    "gemini-gemini.embed-7625b340d3": 1,
    "gemini-gemini.embed-f170c40d65": 3,
}


class Person(BaseModel):
    """A person that a text speaks of."""

    name: str
    age: int
    city: str


ANNA = "Extract the person: Anna is 34 years old and lives in Rome."


@pytest.fixture(scope="module")
def claude(gateway):
    return anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0)


@pytest.fixture(scope="module")
def gemini(gateway):
    return genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=gateway.url))


@pytest.fixture
def counting(player, start):
    recorded = exchange("anthropic-anthropic.count_tokens-03b7c9bc6c"), exchange("gemini-gemini.count_tokens-65e30c85b4")
    return start(configuration(player, recorded)), recorded


# ---- Responses -----------------------------------------------------------------------------------------------------


def test_responses_are_parsed(client):
    answer = client.responses.parse(model="sim/large", input=ANNA, text_format=Person)
    assert answer.output_parsed.city == "Rome"


def test_responses_are_parsed_while_they_come(client):
    with client.responses.stream(model="sim/large", input=ANNA, text_format=Person) as events:
        kinds = [event.type for event in events]
        answer = events.get_final_response()
    assert answer.output_parsed.name == "Anna"
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") > 1


def test_responses_call_tools(client):
    tool = openai.pydantic_function_tool(Person, name="remember")["function"]
    answer = client.responses.parse(
        model="sim/large", input=ANNA, tools=[{"type": "function", **tool}], tool_choice="required"
    )
    [call] = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "remember" and call.parsed_arguments["city"] == "Rome"


# ---- Messages ------------------------------------------------------------------------------------------------------


def test_messages_are_counted(claude):
    def count(text, **more):
        return claude.messages.count_tokens(model="sim/large", messages=[{"role": "user", "content": text}], **more).input_tokens

    assert 0 < count(EASY) < count(EASY * 10)
    assert count(EASY) < count(EASY, system="Be brief, whatever you are asked.")


def test_messages_are_counted_without_asking_anybody(claude, sim):
    before = sim.stats("large")["requests"]
    claude.messages.count_tokens(model="sim/large", messages=[{"role": "user", "content": EASY}])
    assert sim.stats("large")["requests"] == before
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.count_tokens(model="sim/larg", messages=[{"role": "user", "content": EASY}])


def test_the_providers_own_count_is_told(counting):
    """Where the provider speaks the client's dialect, it is asked: nobody knows better."""
    gateway, recorded = counting
    messages, contents = recorded
    claude = anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0)
    counted = claude.messages.count_tokens(model=f"{name_of(messages)}/m", messages=[{"role": "user", "content": EASY}])
    assert counted.input_tokens == messages["response"]["body"]["input_tokens"]
    gemini = genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=gateway.url))
    counted = gemini.models.count_tokens(model=f"{name_of(contents)}/m", contents=EASY)
    assert counted.total_tokens == contents["response"]["body"]["totalTokens"]


def test_messages_are_parsed(claude):
    answer = claude.messages.parse(
        model="sim/large", max_tokens=500, messages=[{"role": "user", "content": ANNA}], output_format=Person
    )
    assert answer.parsed_output.city == "Rome"


def test_messages_list_the_models(claude):
    assert "sim/large" in [model.id for model in claude.models.list()]


# ---- Gemini --------------------------------------------------------------------------------------------------------


def test_gemini_counts(gemini):
    few = gemini.models.count_tokens(model="sim/large", contents=EASY).total_tokens
    many = gemini.models.count_tokens(model="sim/large", contents=EASY * 10).total_tokens
    assert 0 < few < many


def test_gemini_chats(gemini):
    chat = gemini.chats.create(model="sim/large")
    assert "391" in chat.send_message(EASY).text
    assert "391" in "".join(chunk.text or "" for chunk in chat.send_message_stream(EASY))
    # A stream's pieces are a content each.
    assert [content.role for content in chat.get_history()][:3] == ["user", "model", "user"]


def test_gemini_calls_functions_by_itself(gemini):
    asked = []

    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return json.dumps({"city": city, "temperature": -3})

    chat = gemini.chats.create(model="sim/large", config=types.GenerateContentConfig(tools=[get_weather]))
    assert "-3" in chat.send_message("What is the weather in Oslo?").text
    assert asked == ["Oslo"]


def test_gemini_parses(gemini):
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Person)
    assert gemini.models.generate_content(model="sim/large", contents=ANNA, config=config).parsed.city == "Rome"


# ---- embeddings ----------------------------------------------------------------------------------------------------


def vectors(body):
    """The vectors of a recorded answer, whoever gave it."""
    if "data" in body:
        found = [item["embedding"] for item in sorted(body["data"], key=lambda item: item["index"])]
    elif isinstance(body["embeddings"], dict):
        found = body["embeddings"]["float"]
    else:
        found = [item["values"] for item in body["embeddings"]]
    return [floats(vector) for vector in found]


def floats(vector):
    if isinstance(vector, str):
        data = base64.b64decode(vector)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    return vector


@pytest.fixture(scope="module")
def embedding(player, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("embeddings"), configuration(player, [exchange(id) for id in EMBEDDINGS]))
    yield openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0)
    gateway.stop()


@pytest.mark.parametrize("id", EMBEDDINGS)
def test_embeddings_of_every_provider(embedding, player, id):
    recorded = exchange(id)
    answer = embedding.embeddings.create(model=f"{name_of(recorded)}/m", input=TEXTS[: EMBEDDINGS[id]], encoding_format="float")
    got = [floats(item.embedding) for item in answer.data]
    expected = vectors(recorded["response"]["body"])
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        assert one == pytest.approx(other, abs=1e-6)
    assert [item.index for item in answer.data] == list(range(len(got)))


@pytest.mark.parametrize("id", [id for id in EMBEDDINGS if "base64" not in id])
def test_embeddings_as_the_sdk_asks_unless_told_otherwise(embedding, player, id):
    """It asks for base64, and unpacks what it gets."""
    recorded = exchange(id)
    answer = embedding.embeddings.create(model=f"{name_of(recorded)}/m", input=TEXTS[: EMBEDDINGS[id]])
    for item, vector in zip(answer.data, vectors(recorded["response"]["body"]), strict=True):
        assert item.embedding == pytest.approx(vector, abs=1e-6)


# ---- asynchrony ----------------------------------------------------------------------------------------------------


def test_all_of_them_at_once(gateway):
    async def chat():
        async with openai.AsyncOpenAI(base_url=gateway.base, api_key="unused", max_retries=0) as sdk:
            asked = {"model": "sim/large", "messages": [{"role": "user", "content": EASY}]}
            stream = await sdk.chat.completions.create(**asked, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def responses():
        async with openai.AsyncOpenAI(base_url=gateway.base, api_key="unused", max_retries=0) as sdk:
            async with sdk.responses.stream(model="sim/large", input=EASY) as events:
                return (await events.get_final_response()).output_text

    async def messages():
        async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="unused", max_retries=0) as sdk:
            asked = {"model": "sim/large", "max_tokens": 500, "messages": [{"role": "user", "content": EASY}]}
            async with sdk.messages.stream(**asked) as events:
                return await events.get_final_text()

    async def gemini():
        sdk = genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=gateway.url)).aio
        whole = await sdk.models.generate_content(model="sim/large", contents=EASY)
        chunks = [chunk async for chunk in await sdk.models.generate_content_stream(model="sim/large", contents=EASY)]
        assert "".join(chunk.text or "" for chunk in chunks) == whole.text
        return whole.text

    async def everybody():
        return await asyncio.gather(chat(), responses(), messages(), gemini())

    answers = asyncio.run(everybody())
    assert len(set(answers)) == 1 and "391" in answers[0]
