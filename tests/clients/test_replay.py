"""Recorded traffic of many providers, played to a running gateway: what comes out is what was recorded."""

import json
from collections import defaultdict

import pytest

from harness import Gateway
from recordings import EVERYTHING, index, load, name_of, need

# What the gateway adds to a request, and nothing else: it always asks for the usage of a stream.
DOCUMENTED_EDITS = ("$.stream_options", "$.stream_options.include_usage")


def by_provider():
    """The exchanges that have a request with a model, by provider."""
    found = defaultdict(list)
    for entry in index():
        if entry["api"] == "openai.chat":
            exchange = load(entry)
            body = exchange["request"] and exchange["request"]["body"]
            if isinstance(body, dict) and isinstance(body.get("model"), str) and body["model"]:
                found[exchange["provider"]].append(exchange)
    return found


EXCHANGES = by_provider()


def test_the_recordings_are_there():
    need()
    exchanges = [exchange for several in EXCHANGES.values() for exchange in several]
    assert len(exchanges) >= 150 and len(EXCHANGES) >= 15


@pytest.fixture(scope="module")
def replaying(player, tmp_path_factory):
    providers, models = {}, []
    for several in EXCHANGES.values():
        for exchange in several:
            row = {"context": 4_000_000, "max_output": 2_000_000, "can": EVERYTHING, "date": "2026-01-01"}
            models.append({"provider": name_of(exchange), "models": {exchange["request"]["body"]["model"]: row}})
            providers[name_of(exchange)] = {"kind": "openai-compatible", "base_url": f"{player.url}/x/{exchange['id']}"}
    gateway = Gateway(tmp_path_factory.mktemp("replay"), {"providers": providers, "models": models})
    yield gateway
    gateway.stop()


def payloads(text):
    """The data of a stream's events as JSON; text that is none stays text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for event in text.split("\n\n"):
        data = "\n".join(line[5:].removeprefix(" ") for line in event.split("\n") if line.startswith("data:"))
        if data:
            try:
                yield json.loads(data)
            except ValueError:
                yield data


def is_usage_only(event):
    return isinstance(event, dict) and event.get("usage") and event.get("choices") == [] and "error" not in event


def is_error(event):
    return isinstance(event, dict) and ("error" in event or event.get("object") == "error" or event.get("type") == "error")


def fails(recorded, events):
    """Whether there was no answer: by status, by the first event, or by an error in place of (a part of) the answer."""
    if recorded["status"] >= 400:
        return True
    if events is not None:
        return not events or is_error(events[0])
    body = recorded["body"]
    return is_error(body) and not body.get("choices") or any("error" in choice for choice in body.get("choices") or [])


def expected_status(recorded):
    """What the caller is to see: our credential is never his fault, everything else keeps its meaning."""
    return {401: {502}, 402: {502, 503}, 403: {502, 400}, 429: {429, 503}, 529: {503}}.get(recorded, {recorded})


def compare(exchange, answer):
    """What is wrong with an answer, in words; nothing if it is as recorded."""
    recorded = exchange["response"]
    streamed = recorded["kind"] == "sse"
    events = [event for event in payloads(recorded["body"])] if streamed else None
    if fails(recorded, events):
        error = answer.json().get("error", {})
        if not all(error.get(field) for field in ("message", "type", "code", "request_id")):
            return f"an error without its fields: {answer.text[:200]}"
        # That a model cannot do something is the request's fault whichever status says it.
        if error["code"] == "unsupported" and answer.status_code == 400:
            return None
        if recorded["status"] >= 400 and answer.status_code not in expected_status(recorded["status"]):
            return f"status {answer.status_code} for {recorded['status']}: {answer.text[:300]} / {str(recorded['body'])[:300]}"
        return None if answer.status_code >= 400 else f"status {answer.status_code} for an error"
    mislabelled = streamed and not recorded["headers"].get("content-type", "").startswith("text/event-stream")
    if mislabelled and answer.status_code == 502:
        return None
    if answer.status_code != recorded["status"]:
        return f"status {answer.status_code}: {answer.text[:300]}"
    if not streamed:
        if exchange["request"]["body"].get("stream"):
            return None if answer.text.rstrip().endswith("data: [DONE]") else "a whole answer was not made a stream"
        return None if answer.json() == recorded["body"] else f"another body: {answer.text[:200]}"
    got = list(payloads(answer.text))
    asked = (exchange["request"]["body"].get("stream_options") or {}).get("include_usage")
    broken = next((at for at, event in enumerate(events) if is_error(event)), None)
    expected = [event for event in (events if broken is None else events[:broken]) if event != "[DONE]"]
    if not asked:
        expected = [event for event in expected if not is_usage_only(event)]
    finished = "[DONE]" in events or any(
        choice.get("finish_reason") for event in expected if isinstance(event, dict) for choice in event.get("choices") or []
    )
    complete = finished and broken is None
    end, got = (got[-1], got[:-1]) if got else (None, [])
    if complete != (end == "[DONE]") or not complete and not is_error(end):
        return f"the end is {str(end)[:200]}"
    if got != expected:
        at = next((at for at, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        return f"event {at} of {len(expected)} ({len(got)} came): {str(got[at:at + 1])[:300]} for {str(expected[at:at + 1])[:300]}"
    return None


@pytest.mark.parametrize("provider", sorted(EXCHANGES))
def test_what_was_recorded_comes_through(replaying, player, provider):
    player.reset()
    wrong = {}
    for exchange in EXCHANGES[provider]:
        body = exchange["request"]["body"]
        body = body | {"model": f"{name_of(exchange)}/{body['model']}"}
        answer = replaying.post(json.dumps(body))
        problem = compare(exchange, answer)
        if problem:
            wrong[exchange["id"]] = problem
    served = player.requests()
    for record in served:
        edits = [edit for edit in record.get("diff", []) if edit[0] not in DOCUMENTED_EDITS]
        if edits:
            wrong.setdefault(record["id"], f"the provider got another request: {edits}")
    # What the gateway can tell to be wrong by itself it does not send.
    asked = sorted(record["id"] for record in served)
    answered = {exchange["id"] for exchange in EXCHANGES[provider] if exchange["response"]["status"] < 400}
    assert len(asked) == len(set(asked)) and answered <= set(asked) or wrong, "somebody was asked twice, or not at all"
    assert not wrong, f"{len(wrong)} of {len(EXCHANGES[provider])}:\n" + "\n".join(f"{id}: {what}" for id, what in wrong.items())
