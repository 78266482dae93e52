"""What goes wrong, as the exceptions of each official SDK show it."""

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors, types

from harness import EASY, Gateway
from recordings import configuration, index, load, name_of
from test_replay import expected_status

APIS = ["anthropic.messages", "gemini.generate", "gemini.stream", "bedrock.converse", "cohere.chat", "openai.responses", "ollama.chat", "mistral.chat"]
RECORDED = [load(entry) for entry in index() if entry["status"] >= 400 and entry["api"] in APIS]


@pytest.fixture(scope="module")
def replaying(player, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("errors"), configuration(player, RECORDED))
    yield gateway
    gateway.stop()


# ---- the SDKs: one question each, whole or streamed -----------------------------------------------------------------


def by_chat(gateway, model, stream=False, key="unused", content=EASY):
    client = openai.OpenAI(base_url=gateway.base, api_key=key, max_retries=0)
    asked = {"model": model, "messages": [{"role": "user", "content": content}]}
    if not stream:
        return client.chat.completions.create(**asked)
    return list(client.chat.completions.create(**asked, stream=True))


def by_responses(gateway, model, stream=False, key="unused", content=EASY):
    client = openai.OpenAI(base_url=gateway.base, api_key=key, max_retries=0)
    if not stream:
        return client.responses.create(model=model, input=content)
    return list(client.responses.create(model=model, input=content, stream=True))


def by_messages(gateway, model, stream=False, key="unused", content=EASY):
    client = anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0)
    asked = {"model": model, "max_tokens": 500, "messages": [{"role": "user", "content": content}]}
    if not stream:
        return client.messages.create(**asked)
    return list(client.messages.create(**asked, stream=True))


def by_gemini(gateway, model, stream=False, key="unused", content=EASY):
    client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=gateway.url))
    if not stream:
        return client.models.generate_content(model=model, contents=content)
    return list(client.models.generate_content_stream(model=model, contents=content))


CLIENTS = {"chat": by_chat, "responses": by_responses, "messages": by_messages, "gemini": by_gemini}
OPENAI = {
    400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError,
    404: openai.NotFoundError, 413: openai.APIStatusError, 422: openai.UnprocessableEntityError, 429: openai.RateLimitError,
}
KINDS = {
    "chat": OPENAI,
    "responses": OPENAI,
    "messages": {
        400: anthropic.BadRequestError, 401: anthropic.AuthenticationError, 403: anthropic.PermissionDeniedError,
        404: anthropic.NotFoundError, 413: anthropic.RequestTooLargeError, 422: anthropic.UnprocessableEntityError,
        429: anthropic.RateLimitError, 503: anthropic.ServiceUnavailableError, 504: anthropic.DeadlineExceededError,
    },
    "gemini": {},
}
ANY = (openai.APIStatusError, anthropic.APIStatusError, errors.APIError)
pytestmark = pytest.mark.parametrize("client", CLIENTS)


def failure(client, gateway, model, **more):
    """The exception, which is of the kind that its status asks for; and its status, message and headers."""
    with pytest.raises(ANY) as caught:
        CLIENTS[client](gateway, model, **more)
    error = caught.value
    status = error.code if client == "gemini" else error.status_code
    if client == "gemini":
        kind = errors.ClientError if status < 500 else errors.ServerError
        assert error.status and error.details["error"]["code"] == status
    else:
        server = anthropic.InternalServerError if client == "messages" else openai.InternalServerError
        kind = KINDS[client].get(status, server)
    assert isinstance(error, kind), error
    assert error.message and error.response.headers["x-pointsman-id"]
    return status, str(error), error.response.headers


def test_an_unknown_model(gateway, client):
    status, message, _ = failure(client, gateway, "sim/larg")
    assert status == 404 and "sim/large" in message


def test_a_wrong_key(start, sim, client):
    gateway = start({"providers": {"sim": {"base_url": sim.base}}, "keys": [{"id": "one", "key": "pm-key-number-one"}]})
    status, _, _ = failure(client, gateway, "sim/large", key="pm-key-number-two")
    assert status == 401
    assert CLIENTS[client](gateway, "sim/large", key="pm-key-number-one")


def test_a_rate_limit_says_when_to_come_back(gateway, client):
    status, _, headers = failure(client, gateway, "faulty/limited")
    assert (status, headers["retry-after"]) == (429, "2")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("faulty/unavailable", {503}), ("faulty/overloaded", {503}), ("faulty/down", {500}), ("faulty/credential", {502}),
        ("faulty/html", {502}), ("faulty/html-502", {502}), ("faulty/garbage", {502}), ("nowhere/model", {502}),
        ("faulty/quota", {502, 503}),
    ],
)
def test_failures_of_the_provider(gateway, client, model, expected):
    status, message, _ = failure(client, gateway, model)
    assert status in expected
    assert "127.0.0.1" not in message and "<html" not in message


def test_a_refused_request_keeps_the_providers_words(gateway, client):
    status, message, _ = failure(client, gateway, "faulty/bad")
    assert status == 400 and "faulty/bad" in message
    status, message, _ = failure(client, gateway, "faulty/context")
    assert status == 400 and "context" in message


def test_a_request_that_is_too_large(start, sim, client):
    gateway = start({"providers": {"sim": {"base_url": sim.base}}, "limits": {"body_bytes": "10 KB"}})
    status, _, _ = failure(client, gateway, "sim/large", content="word " * 10_000)
    assert status == 413


def test_bodies_that_are_no_json(gateway, client):
    path = {
        "chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages",
        "gemini": "/v1beta/models/sim/large:generateContent",
    }[client]
    for body in ("{", "", "[]", '{"model": "sim/large", "stream": "yes", "messages": 1, "input": 1, "contents": 1}'):
        answer = httpx.post(gateway.url + path, content=body, headers={"content-type": "application/json"})
        error = answer.json()["error"]
        assert answer.status_code == 400 and error["message"]
        match client:
            case "messages":
                assert answer.json()["type"] == "error" and error["type"] == "invalid_request_error"
                assert answer.json()["request_id"] == answer.headers["x-pointsman-id"]
            case "gemini":
                assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
            case _:
                assert error["type"] == "invalid_request_error" and error["code"]


@pytest.mark.parametrize("fault", ["cut-later", "fin-later", "malformed-later", "error-later"])
def test_a_stream_that_breaks_is_never_taken_for_the_whole(gateway, client, fault):
    """All SDKs raise, but OpenAI's for Responses: it hands out the `error` event, as it does with OpenAI's own, and its
    helper misses the completed response."""
    model = f"failing/{fault}"
    if client != "responses":
        with pytest.raises((openai.APIError, anthropic.APIError, errors.APIError)) as caught:
            CLIENTS[client](gateway, model, stream=True)
        assert "broke off" in str(caught.value)
        return
    *before, last = by_responses(gateway, model, stream=True)
    assert last.type == "error" and "broke off" in last.message and last.code
    assert not {"response.completed", "response.incomplete"} & {event.type for event in before}
    sdk = openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0)
    with sdk.responses.stream(model=model, input=EASY) as events, pytest.raises(RuntimeError):
        events.get_final_response()


@pytest.mark.parametrize("fault", ["error-first", "cut-first", "unavailable"])
def test_a_stream_that_never_begins_is_an_error_with_a_status(gateway, client, fault):
    status, _, _ = failure(client, gateway, f"failing/{fault}", stream=True)
    assert status >= 500


@pytest.mark.parametrize("exchange", RECORDED, ids=lambda exchange: exchange["id"])
def test_recorded_errors_keep_their_meaning(replaying, client, exchange):
    recorded = exchange["response"]
    status, message, _ = failure(client, replaying, f"{name_of(exchange)}/m", stream=exchange["stream"])
    if "api key" in str(recorded["body"]).lower():
        # Whichever status says so, it is not the caller's key.
        assert status == 502 and "credential" in message
    else:
        assert status in expected_status(recorded["status"])
