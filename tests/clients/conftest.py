"""What the tests share: one provider, one gateway with many routes, and a way to start others."""

import openai
import pytest

import recordings
from harness import GATEWAY_BINARY, SIM_BINARY, Gateway, Sim, row

# Each becomes a model `faulty/NAME` that fails so, and a policy `auto/after-NAME` that asks it first.
FAULTS = {
    "limited": "429=2",
    "down": "500",
    "unavailable": "503",
    "overloaded": "529",
    "credential": "401",
    "quota": "quota",
    "bad": "400",
    "html": "html",
    "html-502": "html-502",
    "garbage": "garbage",
    "error-in-200": "error-in-200",
    "error-first": "error-first",
    "cut-first": "cut=0",
    "fin-first": "fin=0",
    "stalls-first": "slow-first=60s",
    "cut-later": "cut=3",
    "fin-later": "fin=3",
    "malformed-later": "malformed=3",
    "error-later": "error-event=3",
    "stalls-later": "stall=3",
    "no-done": "no-done",
    "no-usage": "no-usage",
    "crlf": "crlf",
    "chopped": "chop=3",
    "filtered": "filter",
    "context": "context",
}

POLICIES = {
    "main": """
        pool small = [sim/small] pick first
        pool large = [sim/large] pick first
        ladder cheap-first {
          hold full
          step draft -> small escalate when failed or refused or invalid_json
          step final -> large
        }
        default -> cheap-first
    """,
    "plain": "pool small = [sim/small] pick first\ndefault -> small",
    "cached": "pool small = [sim/small] pick first\ndefault -> small { cache exact ttl 1h }",
    "guarded": """
        deny no-pictures when request.images > 0 because "Pictures need another plan" status 403
        pool large = [sim/large] pick first
        route code when task == code -> large
        default -> large { set temperature = 0 }
    """,
    "impatient": """
        pool first = [faulty/stalls-first] pick first
        pool then = [sim/large] pick first
        default -> first { timeout ttft 300ms  fallback then on timeout }
    """.replace("  fallback", "\n fallback"),
    "dead": "pool both = [nowhere/model, sim/large] pick first\ndefault -> both",
    "capped": 'pool large = [sim/large] pick first\ndefault -> large { cap $0.000001 per request else deny "Too dear" }',
} | {
    f"{prefix}after-{name}": f"pool both = [{provider}/{name}, sim/large] pick first\ndefault -> both {{ timeout ttft 1s, idle 1s }}"
    for name in FAULTS
    for prefix, provider in (("", "faulty"), ("stream-", "failing"))
}


def standard(sim):
    """The configuration of most tests."""
    return {
        "default": "main",
        "providers": {
            "sim": {"base_url": sim.base},
            # Twice, so that the tests of streams do not find models resting that others have asked.
            **{
                name: {
                    "kind": "sim", "base_url": sim.base,
                    "models": [row(name, f"small!{fault}") for name, fault in FAULTS.items()],
                }
                for name in ("faulty", "failing")
            },
            # About 20 tokens a second: slow enough to see a stream arrive.
            "slow": {"kind": "sim", "base_url": sim.base, "headers": {"x-sim-rate": "20"}, "models": [row("medium")]},
            "nowhere": {"kind": "openai-compatible", "base_url": "http://127.0.0.1:1/v1", "models": [row("model")]},
        },
    }


def pytest_configure():
    for binary in (GATEWAY_BINARY, SIM_BINARY):
        if not binary.exists():
            pytest.exit(f"{binary} is missing; `cargo build --bins --examples` makes it", returncode=2)


@pytest.fixture(scope="session")
def sim():
    sim = Sim()
    yield sim
    sim.stop()


@pytest.fixture(scope="session")
def player():
    recordings.need()
    player = recordings.Player()
    yield player
    player.stop()


@pytest.fixture(scope="session")
def gateway(sim, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), standard(sim), POLICIES)
    yield gateway
    gateway.stop()


@pytest.fixture
def start(tmp_path):
    """Starts gateways of one's own: `start(config, policies)`."""
    started = []

    def begin(config, policies=None, env=None):
        started.append(Gateway(tmp_path / f"gateway-{len(started)}", config, policies, env))
        return started[-1]

    yield begin
    for gateway in started:
        gateway.stop()


@pytest.fixture(scope="session")
def client(gateway):
    return openai.OpenAI(base_url=gateway.base, api_key="unused", max_retries=0)
