"""Recorded traffic of many providers, and the player that answers with it.

Both lie outside of the repository: in `../shared`, or beside the folder that POINTSMAN_WIRE names. Without them the
tests that need them are skipped, but not where CI=true.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from harness import ROOT

WIRE = Path(os.environ.get("POINTSMAN_WIRE", ROOT.parent / "shared" / "wire"))
PLAYER = WIRE.parent / "tools" / "replay_upstream.py"
ABSENT = not (PLAYER.exists() and (WIRE / "index.json").exists())
EVERYTHING = ["tools", "parallel_tools", "json", "json_schema", "vision", "audio", "reasoning", "logprobs"]

# How a recording's provider is configured: its kind, and what stands behind the player's address.
KINDS = {
    "openai.responses": ("openai", "/v1", {"dialect": "openai.responses"}),
    "anthropic.messages": ("anthropic", "/v1", {}),
    "anthropic.count_tokens": ("anthropic", "/v1", {}),
    "gemini.generate": ("google", "/v1beta", {}),
    "gemini.stream": ("google", "/v1beta", {}),
    "gemini.count_tokens": ("google", "/v1beta", {}),
    "gemini.embed": ("google", "/v1beta", {}),
    "bedrock.converse": ("bedrock", "", {"region": "us-east-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "x"}),
    "cohere.chat": ("cohere", "/v2", {}),
    "cohere.embed": ("cohere", "/v2", {}),
    "ollama.chat": ("ollama", "", {"dialect": "ollama.chat"}),
    "mistral.chat": ("mistral", "/v1", {}),
}
KNOWN = {"openrouter", "groq", "deepseek", "mistral", "xai", "zai", "cerebras", "perplexity", "together", "writer"}


def need():
    """Skips a test that has no recordings to play."""
    if ABSENT:
        message = f"no recorded traffic at {WIRE} (POINTSMAN_WIRE names another place), or no {PLAYER.name} beside it"
        assert os.environ.get("CI") != "true", message
        pytest.skip(message)


def index():
    """What there is, without the exchanges themselves."""
    return [] if ABSENT else json.loads((WIRE / "index.json").read_text())


def load(entry):
    return json.loads((WIRE / entry["file"]).read_text())


def exchange(id):
    return load(next(entry for entry in index() if entry["id"] == id))


def kind_of(exchange):
    api, provider = exchange["api"], exchange["provider"]
    if api == "openai.chat":
        return (provider if provider in KNOWN else "openai-compatible"), "/v1", {"dialect": api}
    if api == "openai.embeddings":
        return (provider if provider in KNOWN | {"openai", "voyage"} else "openai-compatible"), "/v1", {}
    return KINDS[api]


def name_of(exchange):
    """A provider for each exchange, so that none suffers from the errors of another."""
    return "x-" + re.sub(r"[^a-z0-9]+", "-", exchange["id"].lower())


def provider(player, exchange, options=""):
    """The entry of a configuration's `providers` that answers as recorded; `options` are the player's."""
    kind, path, more = kind_of(exchange)
    key = {} if kind == "bedrock" else {"api_key": "unused"}
    return {"kind": kind, "base_url": f"{player.url}/x/{exchange['id']}{options}{path}"} | key | more


def configuration(player, exchanges):
    """A provider for each exchange, each with one model, `m`."""
    row = {"context": 4_000_000, "max_output": 2_000_000, "can": EVERYTHING, "date": "2026-01-01"}
    return {
        "providers": {name_of(exchange): provider(player, exchange) for exchange in exchanges},
        "models": [{"provider": name_of(exchange), "models": {"m": row}} for exchange in exchanges],
    }


class Player:
    """Answers as recorded, and remembers what it was asked."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, PLAYER, "--corpus", WIRE, "--port", "0"], stderr=subprocess.PIPE, text=True
        )
        self.url = re.search(r"http://\S+", self.process.stderr.readline())[0]

    def reset(self):
        requests.post(f"{self.url}/_/reset", timeout=10)

    def requests(self):
        return requests.get(f"{self.url}/_/requests", timeout=30).json()

    def stop(self):
        self.process.kill()
        self.process.wait()
