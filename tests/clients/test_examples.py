"""The example programs, run as they stand against `pointsman demo`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import CLEAN_ENVIRONMENT, GATEWAY_BINARY, ROOT, until

EXAMPLES = sorted((ROOT / "examples" / "python").glob("*.py"))
SAYS = {
    "quickstart": "391", "streaming": "tokens)", "tools": "Paris", "cheap_first": "escalated", "quote": "by route",
    "responses": "782", "anthropic_sdk": "ended with end_turn", "google_sdk": "called get_weather('Paris')",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    log = tmp_path_factory.mktemp("demo") / "log.txt"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [GATEWAY_BINARY, "demo", "--listen", "127.0.0.1:0"], stdout=out, stderr=out, env=CLEAN_ENVIRONMENT, cwd=log.parent
        )
    yield until("the demo listens", lambda: re.search(r"listening on (http://[0-9.:]+)", log.read_text()))[1]
    process.kill()
    process.wait()


def test_there_are_examples():
    assert {file.stem for file in EXAMPLES} == set(SAYS)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: Path(file).stem)
def test_an_example(demo, file):
    ended = subprocess.run(
        [sys.executable, file], capture_output=True, text=True, timeout=60, env=CLEAN_ENVIRONMENT | {"POINTSMAN_URL": demo}
    )
    assert ended.returncode == 0, ended.stderr
    assert SAYS[file.stem] in ended.stdout, ended.stdout
