"""LangChain, LlamaIndex and plain HTTP, each as its documentation says."""

import json

import pytest
import requests
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from harness import EASY


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return json.dumps({"city": city, "sky": "clear", "temperature": 18})


class Person(BaseModel):
    """A person that a text speaks of."""

    name: str
    age: int
    city: str


def langchain(gateway, model="auto", **more):
    return ChatOpenAI(base_url=gateway.base, api_key="unused", model=model, max_retries=0, **more)


def test_langchain_answers_and_streams(gateway):
    answer = langchain(gateway).invoke(EASY)
    assert "391" in answer.content and answer.usage_metadata["total_tokens"] > 0
    assert "391" in "".join(chunk.content for chunk in langchain(gateway, "auto/plain").stream(EASY))


def test_langchain_counts_the_tokens_of_streams(gateway):
    chunks = list(langchain(gateway, "auto/plain", stream_usage=True).stream(EASY))
    assert sum(chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata) > 0


def test_langchain_calls_tools(gateway):
    model = langchain(gateway, "sim/large").bind_tools([get_weather])
    messages = [HumanMessage("Compare the weather in Paris and Rome.")]
    messages.append(model.invoke(messages))
    calls = messages[-1].tool_calls
    assert [call["args"]["city"] for call in calls] == ["Paris", "Rome"]
    messages += [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in calls]
    told = model.invoke(messages)
    assert "Paris" in told.content and "18" in told.content


def test_langchain_gets_structured_answers(gateway):
    for method in ("json_schema", "function_calling"):
        model = langchain(gateway, "sim/large").with_structured_output(Person, method=method)
        person = model.invoke("Extract the person: Anna is 34 years old and lives in Rome.")
        assert isinstance(person, Person) and person.city == "Rome", method


def llama_index(gateway, model="auto"):
    return OpenAILike(
        api_base=gateway.base, api_key="unused", model=model, is_chat_model=True, is_function_calling_model=True,
        max_retries=0, context_window=32000,
    )


def test_llama_index_answers_and_streams(gateway):
    llm = llama_index(gateway)
    assert "391" in llm.chat([ChatMessage(role="user", content=EASY)]).message.content
    assert "391" in llm.complete(EASY).text
    last = list(llama_index(gateway, "auto/plain").stream_chat([ChatMessage(role="user", content=EASY)]))[-1]
    assert "391" in last.message.content


def test_llama_index_calls_tools(gateway):
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"clear in {city}"

    llm = llama_index(gateway, "sim/large")
    answer = llm.chat_with_tools([FunctionTool.from_defaults(get_weather)], user_msg="What is the weather in Oslo?")
    [call] = llm.get_tool_calls_from_response(answer)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "Oslo"})


def test_plain_http(gateway):
    answer = requests.post(
        f"{gateway.base}/chat/completions", json={"model": "auto", "messages": [{"role": "user", "content": EASY}]}, timeout=10
    )
    assert "391" in answer.json()["choices"][0]["message"]["content"]


def claude(gateway, model="sim/large"):
    return ChatAnthropic(base_url=gateway.url, api_key="unused", model=model, max_tokens=500, max_retries=0)


def gemini(gateway, model="sim/large"):
    return ChatGoogleGenerativeAI(base_url=gateway.url, google_api_key="unused", model=model, max_retries=0)


@pytest.mark.parametrize("client", [claude, gemini])
def test_langchains_other_clients_answer_and_stream(gateway, client):
    answer = client(gateway).invoke(EASY)
    assert "391" in answer.text and answer.usage_metadata["total_tokens"] > 0
    chunks = list(client(gateway).stream(EASY))
    assert "391" in "".join(chunk.text for chunk in chunks)
    assert sum(chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata) > 0


@pytest.mark.parametrize("client", [claude, gemini])
def test_langchains_other_clients_call_tools(gateway, client):
    model = client(gateway).bind_tools([get_weather])
    messages = [HumanMessage("Compare the weather in Paris and Rome.")]
    messages.append(model.invoke(messages))
    calls = messages[-1].tool_calls
    assert [call["args"]["city"] for call in calls] == ["Paris", "Rome"]
    messages += [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in calls]
    told = model.invoke(messages)
    assert "Paris" in told.text and "18" in told.text


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("client", [claude, gemini])
def test_langchains_other_clients_get_structured_answers(gateway, client, method):
    model = client(gateway).with_structured_output(Person, method=method)
    person = model.invoke("Extract the person: Anna is 34 years old and lives in Rome.")
    assert isinstance(person, Person) and person.city == "Rome"
