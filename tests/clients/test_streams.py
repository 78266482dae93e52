"""Streams arrive as they are made, end honestly, and stop when nobody listens."""

import json
import threading
import time

import openai
import pytest
import requests

from harness import EASY, events, until

LONG = "Explain how a lighthouse works."


def test_the_first_chunk_comes_while_the_provider_still_writes(client, sim):
    started = time.monotonic()
    stream = client.chat.completions.create(
        model="slow/medium", messages=[{"role": "user", "content": LONG}], stream=True, max_tokens=30
    )
    seen_while_writing = None
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content and seen_while_writing is None:
            seen_while_writing = sim.stats("medium")["in_flight"]
            first = time.monotonic() - started
    whole = time.monotonic() - started
    assert seen_while_writing == 1, "the provider was done before the client saw anything"
    assert first < whole / 3, (first, whole)


def test_chunks_come_one_by_one(gateway):
    answer = requests.post(
        gateway.base + "/chat/completions", stream=True, timeout=30,
        json={"model": "slow/medium", "stream": True, "max_tokens": 15, "messages": [{"role": "user", "content": LONG}]},
    )
    times = [time.monotonic() for _ in answer.iter_content(chunk_size=None)]
    # 15 tokens at 20 a second take 0.75 s; collected in a buffer they would come at once.
    assert len(times) >= 5 and times[-1] - times[0] > 0.4, times
    assert len({round(at, 2) for at in times}) >= 5, times


@pytest.mark.parametrize("fault", ["cut-later", "fin-later", "malformed-later", "error-later", "stalls-later"])
def test_a_stream_that_breaks_never_looks_complete(gateway, client, fault):
    answer = gateway.ask(f"auto/after-{fault}", LONG, stream=True)
    chunks = list(events(answer))
    assert answer.status_code == 200 and len(chunks) > 1
    assert "[DONE]" not in chunks and "error" in chunks[-1], chunks[-1]
    error = chunks[-1]["error"]
    assert error["code"].startswith("upstream_") and error["request_id"] == answer.headers["x-pointsman-id"]
    assert not any(choice.get("finish_reason") for c in chunks[:-1] for choice in c.get("choices", []))
    # And the SDK raises instead of ending its loop.
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(
            model=f"auto/after-{fault}", messages=[{"role": "user", "content": LONG}], stream=True
        ):
            pass


def test_a_broken_stream_is_told_in_its_decision(gateway):
    answer = gateway.ask("auto/after-cut-later", LONG, stream=True)
    list(events(answer))
    told = requests.get(f"{gateway.base}/decisions/{answer.headers['x-pointsman-id']}", timeout=5).json()
    assert [attempt["verdict"] for attempt in told["attempts"]] == ["broken"]


@pytest.mark.parametrize("fault", ["no-done", "crlf", "chopped", "no-usage"])
def test_odd_but_complete_streams_are_complete(gateway, fault):
    answer = gateway.ask(f"faulty/{fault}", EASY, stream=True)
    chunks = list(events(answer))
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c != "[DONE]" and c.get("choices"))
    if fault == "no-done":
        # The sim's kind always ends with `[DONE]`, so without it the stream is a truncated one.
        assert "[DONE]" not in chunks and "error" in chunks[-1]
    else:
        assert chunks[-1] == "[DONE]" and "391" in text


def test_a_client_that_hangs_up_cancels_the_provider(gateway, sim):
    before = sim.stats("medium")["hung_up"]
    answer = requests.post(
        gateway.base + "/chat/completions", stream=True, timeout=30,
        json={"model": "slow/medium", "stream": True, "messages": [{"role": "user", "content": LONG}]},
    )
    pieces = answer.iter_content(chunk_size=None)
    assert next(pieces)
    assert sim.stats("medium")["in_flight"] >= 1
    answer.close()
    until("the provider was cancelled", lambda: sim.stats("medium")["hung_up"] == before + 1, 3)
    id = answer.headers["x-pointsman-id"]
    told = requests.get(f"{gateway.base}/decisions/{id}", timeout=5).json()
    assert told["attempts"][0]["verdict"] == "canceled"
    assert f"request={id}" in gateway.log().replace('"', "") and "status=499" in gateway.log()


def test_hanging_up_before_the_answer_cancels_too(gateway, sim):
    before = sim.stats("large")["hung_up"]
    with pytest.raises(requests.Timeout):
        gateway.post(
            {"model": "sim/large", "messages": [{"role": "user", "content": EASY}]}, headers={"x-sim-latency": "20s"}, timeout=0.5
        )
    until("the provider was cancelled", lambda: sim.stats("large")["hung_up"] == before + 1, 3)


def test_many_hang_ups_leave_nothing_behind(gateway, sim):
    def hang_up(after):
        answer = requests.post(
            gateway.base + "/chat/completions", stream=True, timeout=30,
            json={"model": "slow/medium", "stream": True, "messages": [{"role": "user", "content": LONG}]},
        )
        for _, _ in zip(range(after), answer.iter_content(chunk_size=None)):
            pass
        answer.close()

    threads = [threading.Thread(target=hang_up, args=(n % 5,)) for n in range(40)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    until("every call is cancelled", lambda: sim.stats("medium")["in_flight"] == 0, 5)


def test_sigterm_lets_a_running_stream_end(start, sim):
    gateway = start(
        {"providers": {"slow": {"kind": "sim", "base_url": sim.base, "headers": {"x-sim-rate": "20"}, "models": [{"name": "medium", "context": 32000}]}}},
        {"main": "pool p = [slow/medium] pick first\ndefault -> p"},
    )
    answer = requests.post(
        gateway.base + "/chat/completions", stream=True, timeout=30,
        json={"model": "auto", "stream": True, "max_tokens": 40, "messages": [{"role": "user", "content": LONG}]},
    )
    lines = answer.iter_lines()
    first = next(lines)
    gateway.terminate()

    def refused():
        try:
            requests.get(gateway.url + "/healthz", timeout=2)
        except requests.ConnectionError:
            return True

    until("no new connections are taken", refused, 10)
    rest = [line for line in lines if line]
    assert first.startswith(b"data:") and rest[-1] == b"data: [DONE]"
    assert gateway.process.wait(timeout=10) == 0


def test_an_idle_gateway_stops_at_once(start, sim):
    gateway = start({"providers": {"sim": {"base_url": sim.base}}})
    session = requests.Session()
    session.get(gateway.url + "/healthz")  # a connection that stays open
    begun = time.monotonic()
    gateway.terminate()
    assert gateway.process.wait(timeout=20) == 0
    assert time.monotonic() - begun < 5


def test_mixed_requests_at_once(gateway):
    def one(n):
        kind = n % 5
        if kind == 0:
            answer = gateway.ask("auto", f"What is {n}*{n}?")
            return answer.status_code == 200 and str(n * n) in answer.text
        if kind == 1:
            chunks = list(events(gateway.ask("auto/plain", f"What is {n}+{n}?", stream=True)))
            text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks[:-1] if c["choices"])
            return chunks[-1] == "[DONE]" and str(n + n) in text
        if kind == 2:
            return gateway.ask("auto/after-down", f"What is {n}*3?").headers["x-pointsman-model"] == "sim/large"
        if kind == 3:
            return gateway.ask("sim/nobody").status_code == 404
        return gateway.post(b"{").status_code == 400

    wrong = []

    def several(worker):
        wrong.extend(n for n in range(worker, 400, 16) if not one(n + 2))

    threads = [threading.Thread(target=several, args=(worker,)) for worker in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []


def test_events_are_valid_chunks(gateway):
    chunks = list(events(gateway.ask("auto/plain", EASY, stream=True)))[:-1]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"].get("role") == "assistant"
    assert json.dumps(chunks)
