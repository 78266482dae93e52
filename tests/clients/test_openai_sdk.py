"""The official Python SDK, with nothing changed but the base URL."""

import asyncio
import json

import openai
import pytest
from pydantic import BaseModel

from harness import EASY, HARD, WEATHER


def user(text):
    return [{"role": "user", "content": text}]


def collected(stream):
    """Text and the last finish reason of a stream."""
    text, finish = "", None
    for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return text, finish


def test_a_plain_answer(client):
    answer = client.chat.completions.create(model="auto", messages=user(EASY))
    assert "391" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model", ["sim/tiny", "sim/medium", "sim/large", "sim/reasoner", "tiny"])
def test_a_named_model_is_the_one_that_answers(client, model):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=user("Hello!"))
    assert raw.headers["x-pointsman-model"] == ("sim/tiny" if model == "tiny" else model)
    assert raw.headers["x-pointsman-requested"] == model
    assert raw.headers["x-pointsman-reason"] == "requested"
    assert raw.parse().choices[0].message.content


def test_a_stream_says_the_same_as_the_whole_answer(client):
    whole = client.chat.completions.create(model="auto/plain", messages=user(EASY))
    text, finish = collected(client.chat.completions.create(model="auto/plain", messages=user(EASY), stream=True))
    assert (text, finish) == (whole.choices[0].message.content, "stop")


def test_usage_on_streams_only_when_asked_for(client):
    chunks = list(client.chat.completions.create(model="auto/plain", messages=user(EASY), stream=True))
    assert all(chunk.usage is None for chunk in chunks) and all(chunk.choices for chunk in chunks)
    chunks = list(
        client.chat.completions.create(
            model="auto/plain", messages=user(EASY), stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_one_tool_call(client):
    answer = client.chat.completions.create(
        model="sim/small", messages=user("What is the weather in Paris?"), tools=[WEATHER]
    )
    [call] = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather" and json.loads(call.function.arguments)["city"] == "Paris"


def test_parallel_tool_calls(client):
    answer = client.chat.completions.create(
        model="sim/large", messages=user("Compare the weather in Paris and Rome."), tools=[WEATHER]
    )
    calls = answer.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Paris", "Rome"]
    assert len({call.id for call in calls}) == 2


def test_streamed_tool_arguments(client):
    stream = client.chat.completions.create(
        model="sim/large", messages=user("Compare the weather in Paris and Rome."), tools=[WEATHER], stream=True
    )
    names, arguments, pieces = {}, {}, 0
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            names.setdefault(call.index, call.function.name)
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
            pieces += 1
    assert [json.loads(text)["city"] for _, text in sorted(arguments.items())] == ["Paris", "Rome"]
    assert set(names.values()) == {"get_weather"} and pieces > 2


def test_the_whole_loop_of_an_agent(client):
    messages = user("What is the weather in Paris?")
    first = client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER]).choices[0].message
    [call] = first.tool_calls
    messages += [
        first.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"sky": "clear", "temperature": 18})},
    ]
    last = client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER]).choices[0].message
    assert not last.tool_calls and "18" in last.content and "Paris" in last.content


@pytest.mark.parametrize("choice", ["none", "required", {"type": "function", "function": {"name": "get_weather"}}])
def test_tool_choice(client, choice):
    answer = client.chat.completions.create(
        model="sim/large", messages=user("What is the weather in Oslo?"), tools=[WEATHER], tool_choice=choice
    )
    assert bool(answer.choices[0].message.tool_calls) == (choice != "none")


def test_a_json_object(client):
    answer = client.chat.completions.create(
        model="sim/large", messages=user("Give me a JSON object about Paris."), response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


class Person(BaseModel):
    name: str
    age: int
    city: str


def test_a_parsed_schema(client):
    answer = client.chat.completions.parse(
        model="sim/large", messages=user("Extract: Anna is 34 years old and lives in Rome."), response_format=Person
    )
    person = answer.choices[0].message.parsed
    assert isinstance(person, Person) and person.city == "Rome"


def test_a_streamed_schema(client):
    with client.chat.completions.stream(
        model="sim/large", messages=user("Extract: Anna is 34 years old and lives in Rome."), response_format=Person
    ) as stream:
        kinds = {event.type for event in stream}
        person = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(person, Person) and "content.delta" in kinds


def test_log_probabilities(client):
    answer = client.chat.completions.create(
        model="sim/large", messages=user(EASY), logprobs=True, top_logprobs=2
    )
    tokens = answer.choices[0].logprobs.content
    assert tokens and all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    assert "".join(token.token for token in tokens) == answer.choices[0].message.content


def test_two_choices(client):
    answer = client.chat.completions.create(model="sim/large", messages=user("Hello!"), n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    stream = client.chat.completions.create(model="sim/large", messages=user("Hello!"), n=2, stream=True)
    assert {choice.index for chunk in stream for choice in chunk.choices} == {0, 1}


def test_short_answers_and_stops(client):
    answer = client.chat.completions.create(
        model="sim/large", messages=user("Explain how a lighthouse works."), max_tokens=5
    )
    assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens <= 5
    answer = client.chat.completions.create(model="sim/large", messages=user(EASY), stop=["="])
    assert "=" not in answer.choices[0].message.content


def test_system_prompts_reach_the_model_as_written(client, sim):
    messages = [{"role": "system", "content": "You are “terse”.\n\tÜnïcode ✓"}] + user("Say hello")
    client.chat.completions.create(model="sim/large", messages=messages, temperature=0.25, seed=7)
    sent = sim.requests()[-1]["body"]
    assert sent["messages"] == messages
    assert (sent["model"], sent["temperature"], sent["seed"]) == ("large", 0.25, 7)


def test_a_picture(client):
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": pixel}}]
    raw = client.chat.completions.with_raw_response.create(model="sim/large", messages=user(content))
    assert raw.headers["x-pointsman-model"] == "sim/large" and raw.parse().choices[0].message.content


def test_reasoning_tokens_are_reported(client):
    answer = client.chat.completions.create(
        model="sim/reasoner", messages=user(HARD), reasoning_effort="high"
    )
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0


def test_the_async_client(gateway):
    async def run():
        async with openai.AsyncOpenAI(base_url=gateway.base, api_key="unused", max_retries=0) as client:
            answer = await client.chat.completions.create(model="auto", messages=user(EASY))
            stream = await client.chat.completions.create(model="auto/plain", messages=user(EASY), stream=True)
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            return answer.choices[0].message.content, text

    whole, streamed = asyncio.run(run())
    assert "391" in whole and "391" in streamed


def test_the_list_of_models(client):
    models = {model.id: model for model in client.models.list()}
    assert {"auto", "auto/main", "auto/cached", "sim/small", "sim/large", "faulty/limited"} <= set(models)
    assert "openai/gpt-5" not in models, "a provider without a key serves nothing"
    assert client.models.retrieve("sim/large").owned_by == "sim"
    assert client.models.retrieve("auto").id == "auto"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("sim/larg")
