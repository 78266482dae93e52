"""What goes wrong, as the SDK's own exceptions show it."""

import openai
import pytest

from harness import EASY

USER = [{"role": "user", "content": EASY}]


def fail(client, kind, **fields):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**({"messages": USER} | fields))
    error = caught.value
    if isinstance(error, openai.APIStatusError):
        body = error.response.json()["error"]
        assert set(body) >= {"message", "type", "param", "code", "request_id"}
        assert body["message"] and body["code"] and body["request_id"] == error.response.headers["x-pointsman-id"]
    return error


def test_an_unknown_model_names_near_ones(client):
    error = fail(client, openai.NotFoundError, model="sim/larg")
    assert error.code == "model_not_found" and "sim/large" in error.message


def test_an_unknown_policy_names_near_ones(client):
    error = fail(client, openai.NotFoundError, model="auto/plian")
    assert "auto/plain" in error.message


def test_a_bad_request_is_refused_before_anybody_is_asked(client, sim):
    before = sim.stats("large")["requests"]
    error = fail(client, openai.BadRequestError, model="sim/large", messages="no list")
    assert error.param and "messages" in error.param
    fail(client, openai.BadRequestError, model="sim/large", messages=USER, extra_body={"stream": "yes"})
    assert sim.stats("large")["requests"] == before


def test_a_bad_request_that_the_provider_refuses_keeps_its_words(client):
    error = fail(client, openai.BadRequestError, model="faulty/bad")
    assert "faulty/bad" in error.message
    assert fail(client, openai.BadRequestError, model="faulty/context").code == "context_length_exceeded"
    assert fail(client, openai.BadRequestError, model="faulty/filtered").code == "content_filter"


def test_a_rate_limit_stays_a_429_with_its_time(client):
    error = fail(client, openai.RateLimitError, model="faulty/limited")
    assert error.response.headers["retry-after"] == "2" and error.code == "rate_limited"


def test_the_sdk_waits_and_tries_again(gateway, sim):
    client = openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=2)
    sim.reset()
    # The fault holds for the first request alone.
    answer = client.chat.completions.create(
        model="sim/large", messages=USER, extra_headers={"x-sim-fault": "503=none@1"}
    )
    assert "391" in answer.choices[0].message.content
    assert sim.stats("large")["requests"] == 2


@pytest.mark.parametrize(
    ("model", "status"),
    [
        ("faulty/down", 500), ("faulty/unavailable", 503), ("faulty/overloaded", 503), ("faulty/credential", 502),
        ("faulty/html", 502), ("faulty/html-502", 502), ("faulty/garbage", 502), ("nowhere/model", 502),
    ],
)
def test_failures_of_the_provider(client, model, status):
    error = fail(client, openai.InternalServerError, model=model)
    assert error.status_code == status
    assert "127.0.0.1" not in error.message, "where a provider is is nobody's business"


def test_a_used_up_account_of_ours_is_not_the_callers_fault(client):
    assert fail(client, openai.InternalServerError, model="faulty/quota").status_code in (502, 503)


def test_a_rule_that_denies(client):
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]}]
    error = fail(client, openai.PermissionDeniedError, model="auto/guarded", messages=messages)
    assert "Pictures need another plan" in error.message and "no-pictures" in error.message


def test_a_request_that_may_not_cost_so_much(client):
    error = fail(client, openai.APIStatusError, model="auto/capped")
    assert error.status_code == 402 and "Too dear" in error.message


def test_the_clients_own_timeout(gateway):
    client = openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0, timeout=0.5)
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="sim/large", messages=USER, extra_headers={"x-sim-latency": "20s"})


def test_our_timeout_is_a_504(start, sim):
    gateway = start(
        {"providers": {"sim": {"base_url": sim.base}}, "timeouts": {"total": "500ms"}}, {"main": "pool p = models pick first\ndefault -> p"}
    )
    answer = gateway.ask("sim/large", headers={"x-sim-latency": "20s"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")


def test_a_model_that_cannot_do_it_says_who_could_not_and_why(client):
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]}]
    error = fail(client, openai.APIStatusError, model="sim/tiny", messages=messages)
    assert error.status_code in (400, 503) and "sim/tiny" in error.message
