"""The programs under test as processes: the gateway, and a provider for it to talk to."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
GATEWAY_BINARY = Path(os.environ.get("POINTSMAN_BIN", TARGET / "debug" / "pointsman"))
SIM_BINARY = Path(os.environ.get("POINTSMAN_SIM", TARGET / "debug" / "examples" / "sim"))

# Whatever keys the developer has in the environment: no test may reach a real provider.
CLEAN_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}

WAIT = 20.0


def until(what, condition, seconds=WAIT):
    """The first true value of `condition`, or an error that says what did not happen."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Sim:
    """The simulated provider on a port of its own, so that tests can look inside."""

    def __init__(self, speed=1.0):
        self.process = subprocess.Popen(
            [str(SIM_BINARY), "0", str(speed)], stdout=subprocess.PIPE, text=True, env=CLEAN_ENVIRONMENT
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), "the sim did not start"

    @property
    def base(self):
        return self.url + "/v1"

    def stats(self, model):
        return requests.get(f"{self.url}/_sim/stats", timeout=5).json()["models"][model]

    def requests(self):
        return requests.get(f"{self.url}/_sim/requests", timeout=5).json()

    def reset(self):
        requests.post(f"{self.url}/_sim/reset", timeout=5)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Gateway:
    """A gateway with a configuration of its own in a folder of its own.

    `config` is the configuration as Python values (JSON is YAML); `policies` are the policy files by
    name. The port is chosen by the system and read from the log.
    """

    def __init__(self, folder, config, policies=None, env=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_file = self.folder / "pointsman.yaml"
        self.log_file = self.folder / "log.txt"
        self.config = {"listen": "127.0.0.1:0"} | config
        if policies:
            (self.folder / "policies").mkdir(exist_ok=True)
            self.config.setdefault("policies", "policies")
            for name, text in policies.items():
                self.write_policy(name, text)
        self.write_config(self.config)
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [str(GATEWAY_BINARY), "serve", "--config", str(self.config_file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=CLEAN_ENVIRONMENT | (env or {}), cwd=self.folder,
            )
        try:
            self.url = until("the gateway listens", self._address)
            self.base = self.url + "/v1"
            until("the gateway is ready", self.ready)
        except AssertionError:
            self.stop()
            raise

    def _address(self):
        assert self.process.poll() is None, f"the gateway ended:\n{self.log()}"
        found = re.search(r"listening on (http://[0-9.:]+)", self.log())
        return found and found[1]

    def ready(self):
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(self.url + "/readyz", timeout=5).status_code == 200
        return False

    def log(self):
        return self.log_file.read_text(errors="replace")

    def write_config(self, config):
        replace(self.config_file, json.dumps(config))

    def write_policy(self, name, text):
        replace(self.folder / "policies" / f"{name}.policy", text)

    def post(self, body, path="/chat/completions", headers=None, **more):
        """A raw request: bytes and text go as they are, anything else as JSON."""
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        headers = {"content-type": "application/json"} | (headers or {})
        return requests.post(self.base + path, data=body, headers=headers, timeout=more.pop("timeout", 30), **more)

    def post_stream(self, pieces):
        """A body in pieces, without saying how long it is."""
        headers = {"content-type": "application/json"}
        return requests.post(self.base + "/chat/completions", data=pieces, headers=headers, timeout=30)

    def ask(self, model, text="What is 17*23?", headers=None, **fields):
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | fields
        return self.post(body, headers=headers)

    def alive(self):
        return self.process.poll() is None and requests.get(self.url + "/healthz", timeout=5).text == "ok\n"

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def replace(path, text):
    """As editors do it: written aside and moved into place, so that nobody reads half a file."""
    aside = path.with_name("." + path.name + ".new")
    aside.write_text(text)
    aside.rename(path)


def events(response):
    """The payloads of a stream of events, in order; the error event's payload has `error`."""
    for line in response.iter_lines():
        if line.startswith(b"data:"):
            data = line[5:].strip().decode()
            yield data if data == "[DONE]" else json.loads(data)


def row(name, upstream=None, **facts):
    """A catalogue row for a model of the sim."""
    can = ["tools", "parallel_tools", "json", "json_schema", "logprobs", "vision"]
    return {
        "name": name, "context": 32000, "max_output": 8000, "can": can, "price": {"input": "0.1", "output": "0.4"},
        "quality": {"overall": 40, "source": "made up"},
    } | ({"upstream": upstream} if upstream else {}) | facts


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
EASY = "What is 17*23?"
HARD = "Prove step by step that the square root of 2 is irrational."
