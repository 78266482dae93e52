"""Decisions: who answers, why, at what cost, and how all of it is told."""

import re
import threading

import pytest
import requests

from conftest import FAULTS
from harness import EASY, HARD, events, row, until

OWN = ["id", "model", "requested", "route", "policy", "attempts", "reason", "cost", "cache"]


def own(response):
    return {name: response.headers.get(f"x-pointsman-{name}") for name in OWN}


def test_every_answer_discloses_its_decision(gateway):
    answer = gateway.ask("auto")
    told = own(answer)
    assert answer.status_code == 200 and None not in told.values(), told
    assert (told["model"], told["requested"], told["reason"], told["attempts"]) == ("sim/small", "auto", "matched", "1")
    assert re.fullmatch(r"main@[0-9a-f]+", told["policy"]) and float(told["cost"]) > 0
    assert gateway.ask("auto").headers["x-pointsman-id"] != told["id"]


def test_errors_disclose_it_too(gateway):
    answer = gateway.ask("faulty/down")
    assert answer.status_code == 500
    assert (answer.headers["x-pointsman-requested"], answer.headers["x-pointsman-attempts"]) == ("faulty/down", "1")


def test_the_cost_is_that_of_the_tokens(gateway):
    answer = gateway.ask("faulty/no-done")
    usage = answer.json()["usage"]
    expected = (0.1 * usage["prompt_tokens"] + 0.4 * usage["completion_tokens"]) / 1e6
    assert float(answer.headers["x-pointsman-cost"]) == pytest.approx(expected, abs=1e-9)


def test_the_ladder_climbs_where_the_small_one_refuses(gateway):
    answer = gateway.ask("auto", HARD)
    told = own(answer)
    assert (told["model"], told["reason"], told["attempts"]) == ("sim/large", "escalated", "2")
    assert "sorry" not in answer.json()["choices"][0]["message"]["content"].lower()
    # Both answers are paid for.
    alone = gateway.ask("sim/large", HARD)
    assert float(told["cost"]) > float(alone.headers["x-pointsman-cost"])


def test_the_ladder_climbs_on_streams_before_the_client_sees_anything(gateway):
    answer = gateway.ask("auto", HARD, stream=True)
    chunks = list(events(answer))
    assert answer.headers["x-pointsman-reason"] == "escalated" and chunks[-1] == "[DONE]"
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks[:-1] if c["choices"])
    assert text and "sorry" not in text.lower()


REPLACED = [
    "limited", "down", "unavailable", "overloaded", "credential", "quota", "html", "html-502", "garbage", "error-in-200",
    "error-first", "cut-first", "fin-first", "stalls-first",
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", REPLACED)
def test_what_fails_before_the_first_token_is_answered_by_the_next(gateway, fault, stream):
    answer = gateway.ask(f"auto/{'stream-' if stream else ''}after-{fault}", stream=stream)
    assert answer.status_code == 200, answer.text
    if stream:
        chunks = list(events(answer))
        assert chunks[-1] == "[DONE]"
        text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks[:-1] if c["choices"])
    else:
        text = answer.json()["choices"][0]["message"]["content"]
    assert "391" in text
    assert (answer.headers["x-pointsman-model"], answer.headers["x-pointsman-reason"]) == ("sim/large", "fallback")


@pytest.mark.parametrize("fault", ["bad", "context", "filtered"])
def test_what_would_fail_everywhere_is_not_tried_elsewhere(gateway, fault):
    answer = gateway.ask(f"auto/after-{fault}")
    assert (answer.status_code, answer.headers["x-pointsman-attempts"]) == (400, "1")


def test_a_provider_that_is_not_there_costs_no_time(gateway):
    answer = gateway.ask("auto/dead")
    assert (answer.status_code, answer.headers["x-pointsman-model"]) == (200, "sim/large")
    assert answer.elapsed.total_seconds() < 2


def test_a_slow_first_token_counts_as_down(gateway):
    answer = gateway.ask("auto/impatient", stream=True)
    assert list(events(answer))[-1] == "[DONE]"
    assert answer.headers["x-pointsman-model"] == "sim/large"
    assert 0.25 < answer.elapsed.total_seconds() < 5


def test_a_named_model_is_never_replaced(gateway):
    for name in FAULTS:
        if name in REPLACED and name != "stalls-first":
            answer = gateway.ask(f"faulty/{name}", stream=name in ("error-first", "cut-first", "fin-first"))
            assert answer.status_code >= 400, name
            assert answer.headers["x-pointsman-model"] in (None, f"faulty/{name}")


def test_the_explanation(gateway):
    answer = gateway.ask("auto", HARD, headers={"x-pointsman-explain": "1"}).json()
    told = answer["pointsman"]
    assert [attempt["verdict"] for attempt in told["attempts"]] == ["rejected", "accepted"]
    assert [attempt["model"] for attempt in told["attempts"]] == ["sim/small", "sim/large"]
    assert "square root" not in str(told), "no message text in explanations"
    assert "pointsman" not in gateway.ask("auto").json()


def test_the_explanation_of_a_stream_is_its_last_chunk(gateway):
    chunks = list(events(gateway.ask("auto/plain", stream=True, headers={"x-pointsman-explain": "1"})))
    assert chunks[-1] == "[DONE]" and chunks[-2]["choices"] == [] and chunks[-2]["pointsman"]["attempts"]
    assert not any("pointsman" in chunk for chunk in chunks[:-2])


def test_a_quote_sends_nothing(gateway, sim):
    before = sim.stats("small")["requests"], sim.stats("large")["requests"]
    answer = gateway.post({"model": "auto", "messages": [{"role": "user", "content": HARD}]}, "/quote")
    quote = answer.json()["quote"]
    assert answer.status_code == 200 and quote["model"] == "sim/small"
    cost = {name: float(amount.lstrip("$")) for name, amount in quote["cost"].items()}
    assert 0 < cost["minimum"] <= cost["expected"] <= cost["maximum"]
    assert (sim.stats("small")["requests"], sim.stats("large")["requests"]) == before


def test_a_quote_says_what_would_be_refused(gateway):
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    quote = gateway.post({"model": "auto/guarded", "messages": [{"role": "user", "content": [picture]}]}, "/quote").json()["quote"]
    assert (quote["outcome"], quote["status"]) == ("error", 403)


def test_a_decision_can_be_read_later(gateway):
    answer = gateway.ask("auto", HARD)
    id = answer.headers["x-pointsman-id"]
    told = requests.get(f"{gateway.base}/decisions/{id}", timeout=5).json()
    assert told["id"] == id and len(told["attempts"]) == 2 and told["requested"] == "auto"
    assert requests.get(f"{gateway.base}/decisions/{id[:-3]}zzz", timeout=5).status_code == 404


def test_a_policy_sees_the_request(gateway):
    code = gateway.ask("auto/guarded", "Write a Python function that reverses a list.\n```python\ndef f(): pass\n```")
    assert code.headers["x-pointsman-route"] == "code"
    assert gateway.ask("auto/guarded", "Hello!").headers["x-pointsman-route"] == "default"


# ---- cache -----------------------------------------------------------------------------------------------------


def test_the_same_request_is_answered_from_the_cache(gateway, sim):
    text = "What is 1001*3? (cache)"
    first, second = gateway.ask("auto/cached", text), gateway.ask("auto/cached", text)
    assert (first.headers["x-pointsman-cache"], second.headers["x-pointsman-cache"]) == ("miss", "hit")
    assert (second.headers["x-pointsman-reason"], float(second.headers["x-pointsman-cost"])) == ("cached", 0)
    assert second.json() == first.json() and second.headers["x-pointsman-model"] == "sim/small"


def test_a_whole_answer_is_replayed_as_a_stream_and_the_other_way_round(gateway):
    for first_streams in (False, True):
        text = f"What is 77*{3 + first_streams}? (replay)"
        first = gateway.ask("auto/cached", text, stream=first_streams)
        said = list(events(first)) if first_streams else first.json()
        second = gateway.ask("auto/cached", text, stream=not first_streams)
        assert second.headers["x-pointsman-cache"] == "hit"
        chunks = said if first_streams else list(events(second))
        whole = second.json() if first_streams else said
        assert chunks[-1] == "[DONE]" and chunks[-2]["choices"][0]["finish_reason"] == "stop"
        streamed = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks[:-1] if c["choices"])
        assert streamed == whole["choices"][0]["message"]["content"]


def test_no_cache_is_obeyed(gateway):
    text = "What is 12*12? (no-cache)"
    gateway.ask("auto/cached", text)
    again = gateway.ask("auto/cached", text, headers={"cache-control": "no-cache"})
    assert again.headers["x-pointsman-cache"] == "bypass"


def test_errors_and_broken_streams_are_not_kept(start, sim):
    config = {"providers": {"f": {"kind": "sim", "base_url": sim.base, "models": [row("cut", "small!cut=3"), row("down", "small!500")]}}}
    policies = {name: f"pool p = [f/{name}] pick first\ndefault -> p {{ cache exact ttl 1h }}" for name in ("cut", "down")}
    gateway = start(config | {"default": "cut"}, policies)
    for _ in range(2):
        answer = gateway.ask("auto/cut", "Explain how tides work, please.", stream=True)
        assert answer.headers["x-pointsman-cache"] == "miss" and "error" in list(events(answer))[-1]
        assert gateway.ask("auto/down").status_code == 500


def test_equal_requests_at_the_same_time_are_one(start, sim):
    sim.reset()
    gateway = start({"providers": {"sim": {"base_url": sim.base}}}, {"main": "pool p = [sim/medium] pick first\ndefault -> p { cache exact ttl 1h }"})
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(gateway.ask("auto", "What is 5*5?", headers={"x-sim-latency": "700ms"})))
        for _ in range(12)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert {answer.status_code for answer in answers} == {200}
    assert sim.stats("medium")["requests"] == 1
    uses = sorted(answer.headers["x-pointsman-cache"] for answer in answers)
    assert uses.count("miss") == 1 and set(uses) <= {"miss", "coalesced", "hit"}


# ---- keys ------------------------------------------------------------------------------------------------------


@pytest.fixture
def keyed(start, sim):
    config = {
        "providers": {"sim": {"base_url": sim.base}},
        "keys": [
            {"id": "one", "key": "pm-key-number-one", "tenant": "red", "meta": {"plan": "free"}},
            {"id": "two", "key": "pm-key-number-two", "tenant": "red"},
            {"id": "three", "key": "pm-key-number-three", "tenant": "blue", "models": ["sim/small"]},
        ],
    }
    policy = """
        enum plan = free | pro
        attribute key.tier: plan from key.meta["plan"] else pro
        pool small = [sim/small] pick first
        deny no-code when key.tier == free and task == code because "Code needs the pro plan" status 403
        default -> small { cache exact ttl 1h }
    """
    return start(config, {"main": policy})


def bearer(key):
    return {"authorization": f"Bearer pm-key-number-{key}"}


def test_nobody_comes_in_without_a_key(keyed):
    for headers in ({}, bearer("four"), {"authorization": "Basic pm-key-number-one"}, {"authorization": "Bearer "}):
        answer = keyed.ask("auto", headers=headers)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error"), headers
        assert "pm-key" not in answer.text
        assert requests.get(keyed.base + "/models", headers=headers, timeout=5).status_code == 401
        assert keyed.post({}, "/quote", headers=headers).status_code == 401
    assert keyed.ask("auto", headers=bearer("one")).status_code == 200
    assert keyed.ask("auto", headers={"x-api-key": "pm-key-number-one"}).status_code == 200


def test_the_sdk_says_authentication_error(keyed):
    import openai

    client = openai.OpenAI(base_url=keyed.base, api_key="wrong-key", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="auto", messages=[{"role": "user", "content": EASY}])


def test_the_cache_ends_at_the_tenant(keyed):
    uses = [keyed.ask("auto", headers=bearer(key)).headers["x-pointsman-cache"] for key in ("one", "two", "three", "three")]
    assert uses == ["miss", "hit", "miss", "hit"]


def test_decisions_are_told_to_their_own_tenant_only(keyed):
    id = keyed.ask("auto", headers=bearer("one")).headers["x-pointsman-id"]
    seen = [requests.get(f"{keyed.base}/decisions/{id}", headers=bearer(key), timeout=5).status_code for key in ("one", "two", "three")]
    assert seen == [200, 200, 404]


def test_a_key_may_use_what_it_was_given(keyed):
    answer = keyed.ask("sim/large", headers=bearer("three"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    listed = requests.get(keyed.base + "/models", headers=bearer("three"), timeout=5).json()["data"]
    assert {model["id"] for model in listed if not model["id"].startswith("auto")} == {"sim/small"}


def test_a_policy_sees_the_key(keyed):
    text = "Write a Python function that reverses a list.\n```python\ndef f(): pass\n```"
    assert keyed.ask("auto", text, headers=bearer("one")).status_code == 403
    assert keyed.ask("auto", text, headers=bearer("two")).status_code == 200


def test_no_key_goes_up_and_none_into_the_log(keyed, sim):
    keyed.ask("sim/small", headers=bearer("one") | {"cookie": "session=s3cr3t", "x-forwarded-for": "10.0.0.1", "x-pointsman-explain": "1"})
    sent = sim.requests()[-1]["headers"]
    assert not {"authorization", "cookie", "x-forwarded-for", "x-pointsman-explain"} & set(sent)
    until("the log has the request", lambda: "request" in keyed.log())
    assert "pm-key-number" not in keyed.log()
