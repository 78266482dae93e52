"""Policies and configuration change under a running gateway; a bad change changes nothing."""

import threading

import pytest
import requests

from harness import GATEWAY_BINARY, events, row, until
import subprocess

SMALL = "pool p = [sim/small] pick first\ndefault -> p"
MEDIUM = "pool p = [sim/medium] pick first\ndefault -> p"


def answered_by(gateway, model="auto"):
    return gateway.ask(model).headers.get("x-pointsman-model")


@pytest.fixture
def config(sim):
    return {"providers": {"sim": {"base_url": sim.base}}}


def test_a_changed_policy_takes_effect(start, config):
    gateway = start(config, {"main": SMALL})
    before = gateway.ask("auto").headers["x-pointsman-policy"]
    assert answered_by(gateway) == "sim/small"
    gateway.write_policy("main", MEDIUM)
    until("the new policy answers", lambda: answered_by(gateway) == "sim/medium")
    assert gateway.ask("auto").headers["x-pointsman-policy"] != before
    gateway.write_policy("extra", SMALL)
    until("a new policy is there", lambda: answered_by(gateway, "auto/extra") == "sim/small")


@pytest.mark.parametrize(
    "bad",
    [
        "pool p = [sim/smal] pick first\ndefault -> p", "pool p = [sim/small] pick first\ndefault -> q", "dfault -> sim/small",
        "pool p = [sim/small]\nroute r when task = chat -> p\ndefault -> p", "", "\x00\xff",
        SMALL + '\ntest "wrong" {\n  expect answered by sim/large\n}\n' + 'invariant no { no model where id == "sim/small" }',
    ],
)
def test_a_bad_policy_is_refused_and_the_old_one_stays(start, config, bad):
    gateway = start(config, {"main": SMALL})
    generation = gateway.ask("auto").headers["x-pointsman-policy"]
    gateway.write_policy("main", bad)
    until("the log says so", lambda: "reload refused" in gateway.log())
    assert answered_by(gateway) == "sim/small" and gateway.ready()
    assert gateway.ask("auto").headers["x-pointsman-policy"] == generation
    gateway.write_policy("main", MEDIUM)
    until("a good one is taken again", lambda: answered_by(gateway) == "sim/medium")


def test_a_changed_configuration_takes_effect(start, config, sim):
    gateway = start(config, {"main": SMALL})
    assert gateway.ask("more/new").status_code == 404
    more = {"kind": "sim", "base_url": sim.base, "models": [row("new", "large")]}
    gateway.write_config(gateway.config | {"providers": config["providers"] | {"more": more}})
    until("the new model answers", lambda: gateway.ask("more/new").status_code == 200)
    keys = [{"id": "one", "key": "pm-key-number-one"}]
    gateway.write_config(gateway.config | {"keys": keys})
    until("a key is asked for", lambda: gateway.ask("auto").status_code == 401)
    assert gateway.ask("auto", headers={"authorization": "Bearer pm-key-number-one"}).status_code == 200


@pytest.mark.parametrize("bad", ["{", "providers: [", "lisen: 127.0.0.1:1", "providers: {sim: {kind: nobody}}", "keys: [{id: a}]"])
def test_a_bad_configuration_is_refused_and_the_old_one_stays(start, config, bad):
    gateway = start(config, {"main": SMALL})
    gateway.config_file.write_text(bad)
    until("the log says so", lambda: "reload refused" in gateway.log())
    assert answered_by(gateway) == "sim/small"


def test_reloading_under_load_loses_nothing(start, config):
    gateway = start(config, {"main": SMALL})
    statuses, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            answer = gateway.ask("auto", stream=True)
            statuses.append((answer.status_code, list(events(answer))[-1], answer.headers["x-pointsman-model"]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    [thread.start() for thread in threads]
    for turn in range(6):
        gateway.write_policy("main", MEDIUM if turn % 2 == 0 else SMALL)
        expected = "sim/medium" if turn % 2 == 0 else "sim/small"
        until("the change is there", lambda: answered_by(gateway) == expected)
    stop.set()
    [thread.join() for thread in threads]
    assert {(status, end) for status, end, _ in statuses} == {(200, "[DONE]")}
    assert {model for *_, model in statuses} == {"sim/small", "sim/medium"}


def test_a_stream_under_way_keeps_its_policy(start, sim):
    slow = {"kind": "sim", "base_url": sim.base, "headers": {"x-sim-rate": "20"}, "models": [row("medium")]}
    gateway = start({"providers": {"sim": {"base_url": sim.base}, "slow": slow}}, {"main": "pool p = [slow/medium] pick first\ndefault -> p"})
    body = {"model": "auto", "stream": True, "max_tokens": 40, "messages": [{"role": "user", "content": "Explain how a lighthouse works."}]}
    answer = requests.post(gateway.base + "/chat/completions", stream=True, timeout=30, json=body)
    gateway.write_policy("main", SMALL)
    until("the new policy answers", lambda: answered_by(gateway) == "sim/small")
    assert list(events(answer))[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("listen: nonsense", "1:9"), ("lisen: 127.0.0.1:0", "did you mean `listen`"), ("providers: {openia: {api_key: x}}", "openai"),
        ("providers: {sim: {}}\npolicy: nowhere.policy", "nowhere.policy"), ("keys: [{id: a, key: '${NOT_SET_ANYWHERE}'}]", "NOT_SET_ANYWHERE"),
    ],
)
def test_what_cannot_start_says_why(tmp_path, config, says):
    file = tmp_path / "pointsman.yaml"
    file.write_text(config)
    ended = subprocess.run(
        [GATEWAY_BINARY, "serve", "--config", file], capture_output=True, text=True, timeout=20, cwd=tmp_path, env={"PATH": ""}
    )
    assert ended.returncode != 0 and says in ended.stderr, ended.stderr


def test_prices_may_be_written_as_numbers(start, sim):
    """Prices of one's own models, as everybody writes them."""
    priced = {"kind": "sim", "base_url": sim.base, "models": [row("priced", "small", price={"input": 0.25, "output": 2})]}
    gateway = start({"providers": {"own": priced}}, {"main": "pool p = [own/priced] pick first\ndefault -> p"})
    answer = gateway.ask("auto")
    usage = answer.json()["usage"]
    expected = (0.25 * usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6
    assert float(answer.headers["x-pointsman-cost"]) == pytest.approx(expected, abs=1e-9)


def test_without_any_configuration_the_built_in_provider_answers(start):
    gateway = start({})
    answer = gateway.ask("auto")
    assert answer.status_code == 200 and "391" in answer.text and answer.headers["x-pointsman-model"].startswith("sim/")
