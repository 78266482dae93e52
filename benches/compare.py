#!/usr/bin/env python3
"""What the gateway costs, beside nginx doing the least a proxy can do.

    cargo build --release --bin pointsman --example sim
    python3 benches/compare.py [--seconds 10] [--connections 16] [--litellm PYTHON] [--json]

All three stand in front of the same upstream, an nginx that answers every POST with one recorded-looking chat
completion at once, on this machine and in the same run. Absolute figures depend on the machine; the ratios are
what counts. Measured are

  cpu       CPU time of the proxy's processes per request (from /proc/PID/stat), under load from wrk
  added     what the median of one connection's requests is longer than without a proxy
  first     what the first event of a stream comes later than without a proxy (upstream: the sim, without delays)
  memory    resident memory before the load and behind it
  start     from starting the program to the first answer

The gateway has a key to look up, a policy of 100 routes of which the last one matches, and a catalogue; nginx
has `proxy_pass` with kept-alive connections and no access log. `--litellm` takes the Python of an environment
with `litellm[proxy]` and adds that proxy (one worker, as it comes) to the table.

Needs wrk and nginx (Debian has both) and Linux's /proc.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
KEY = "pm-bench-key-0001"
ANSWER = {
    "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_767_225_600, "model": "bench",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "The answer is 391. " * 20}}],
    "usage": {"prompt_tokens": 200, "completion_tokens": 100, "total_tokens": 300},
}
MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Explain how a lighthouse works, please. " * 20},
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nginx_config(folder, port, location, extra=""):
    return f"""
        worker_processes 1; daemon off; pid {folder}/nginx-{port}.pid; error_log {folder}/nginx-{port}.err warn;
        events {{ worker_connections 4096; }}
        http {{
          access_log off; keepalive_requests 1000000; client_max_body_size 20m; default_type application/json;
          client_body_temp_path {folder}/b{port}; proxy_temp_path {folder}/p{port}; fastcgi_temp_path {folder}/f{port};
          uwsgi_temp_path {folder}/u{port}; scgi_temp_path {folder}/s{port};
          {extra}
          server {{ listen 127.0.0.1:{port}; {location} }}
        }}"""


class Proxy:
    """A program that listens on a port."""

    def __init__(self, name, command, port, model, headers=None, path="/v1/chat/completions", log=None):
        self.name, self.port, self.model, self.path = name, port, model, path
        self.headers = {"content-type": "application/json"} | (headers or {})
        begun = time.monotonic()
        self.process = command and subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log or subprocess.DEVNULL, stderr=log or subprocess.DEVNULL,
            start_new_session=True,
        )
        while self.ask() != 200:
            if self.process and self.process.poll() is not None:
                sys.exit(f"{name} did not start: {' '.join(map(str, command))}")
            if time.monotonic() - begun > 180:
                sys.exit(f"{name} does not answer")
            time.sleep(0.005)
        self.start = time.monotonic() - begun

    def body(self, **fields):
        return json.dumps({"model": self.model, "messages": MESSAGES} | fields)

    def ask(self):
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        ) as connection:
            connection.request("POST", self.path, self.body(), self.headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def processes(self):
        """Its process and all that it started."""
        found, ahead = [], [self.process.pid]
        while ahead:
            pid = ahead.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                ahead += [int(child) for child in task.read_text().split()]
        return found

    def cpu(self):
        """Seconds of CPU time used so far."""
        ticks = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Resident memory in MB."""
        kilobytes = [re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()) for pid in self.processes()]
        return sum(int(found[1]) for found in kilobytes if found) / 1024

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def wrk(proxy, folder, connections, seconds):
    """Requests per second, the median in seconds, and how many requests there were."""
    script = Path(folder) / f"{proxy.name}.lua"
    headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in proxy.headers.items())
    script.write_text(f'wrk.method = "POST"\nwrk.body = [==[{proxy.body()}]==]\n{headers}')
    said = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, f"http://127.0.0.1:{proxy.port}{proxy.path}"],
        capture_output=True, text=True, check=True,
    ).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"{proxy.name} did not answer everything:\n{said}")
    number, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", said).groups()
    median = float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1}[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), median, int(re.search(r"(\d+) requests in", said)[1])


def first_event(proxy, count=200):
    """The median time to the first event of a stream, in seconds, on a connection that is kept."""
    times = []
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = proxy.body(stream=True, max_tokens=8)
    for _ in range(count):
        begun = time.perf_counter()
        connection.request("POST", proxy.path, body, proxy.headers)
        answer = connection.getresponse()
        line = answer.readline()
        times.append(time.perf_counter() - begun)
        if answer.status != 200 or not line.startswith(b"data:"):
            sys.exit(f"{proxy.name} did not stream: {answer.status} {line}")
        answer.read()
    connection.close()
    return statistics.median(times[count // 10:])


def pointsman(folder, binary, name, kind, upstream, model):
    """The gateway in front of an upstream."""
    port = free_port()
    home = Path(folder) / name
    home.mkdir()
    routes = "\n".join(f'route r{n} when header["x-team"] == "team-{n}" -> one' for n in range(100))
    (home / "main.policy").write_text(f"pool one = [up/{model}] pick first\n{routes}\ndefault -> one\n")
    row = {"name": model, "context": 128_000, "max_output": 8_000, "can": ["tools"], "price": {"input": "0.1", "output": "0.4"}}
    (home / "pointsman.yaml").write_text(json.dumps({
        "listen": f"127.0.0.1:{port}", "policy": "main.policy", "log": {"level": "warn"},
        "providers": {"up": {"kind": kind, "base_url": upstream, "models": [row]}}, "keys": [{"id": "bench", "key": KEY}],
    }))
    headers = {"authorization": f"Bearer {KEY}"}
    return Proxy("pointsman", [binary, "serve", "--config", home / "pointsman.yaml"], port, "auto", headers)


def nginx(folder, upstream_port, model):
    port = free_port()
    config = Path(folder) / f"proxy-{port}.conf"
    pool = f"upstream up {{ server 127.0.0.1:{upstream_port}; keepalive 64; keepalive_requests 1000000; }}"
    location = 'location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }'
    config.write_text(nginx_config(folder, port, location, pool))
    return Proxy("nginx", ["nginx", "-c", config], port, model)


def litellm(folder, python, upstream):
    port = free_port()
    config = Path(folder) / "litellm.json"  # JSON is YAML
    parameters = {"model": "openai/bench", "api_base": upstream, "api_key": "unused"}
    config.write_text(json.dumps({
        "model_list": [{"model_name": "bench", "litellm_params": parameters}],
        # It asks for a strong key otherwise; this one listens on this machine alone, and for a minute.
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
    }))
    program = Path(python).with_name("litellm")
    return Proxy("litellm", [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)], port, "bench")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", type=Path, default=TARGET / "release" / "pointsman")
    arguments.add_argument("--sim", type=Path, default=TARGET / "release" / "examples" / "sim")
    arguments.add_argument("--seconds", type=int, default=10)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--litellm", metavar="PYTHON", help="the Python of an environment with litellm[proxy]")
    arguments.add_argument("--json", action="store_true")
    arguments = arguments.parse_args()
    for tool in ("wrk", "nginx"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install {tool}")
    for program in (arguments.binary, arguments.sim):
        if not program.exists():
            sys.exit(f"{program} is missing: cargo build --release --bin pointsman --example sim")

    figures, running = {}, []
    with tempfile.TemporaryDirectory() as folder:
        try:
            port = free_port()
            config = Path(folder) / "upstream.conf"
            config.write_text(nginx_config(folder, port, f"location / {{ return 200 '{json.dumps(ANSWER)}'; }}"))
            direct = Proxy("direct", ["nginx", "-c", config], port, "bench")
            running.append(direct)
            proxies = [nginx(folder, port, "bench")]
            running += proxies
            proxies.append(pointsman(folder, arguments.binary, "load", "openai-compatible", f"http://127.0.0.1:{port}/v1", "bench"))
            running.append(proxies[-1])
            if arguments.litellm:
                proxies.append(litellm(folder, arguments.litellm, f"http://127.0.0.1:{port}/v1"))
                running.append(proxies[-1])

            alone = wrk(direct, folder, 1, max(2, arguments.seconds // 2))[1]
            for proxy in proxies:
                idle = proxy.memory()
                wrk(proxy, folder, arguments.connections, 2)  # warm
                before = proxy.cpu()
                rate, _, requests = wrk(proxy, folder, arguments.connections, arguments.seconds)
                cpu = (proxy.cpu() - before) / requests
                median = wrk(proxy, folder, 1, max(2, arguments.seconds // 2))[1]
                figures[proxy.name] = {
                    "cpu_us": cpu * 1e6, "requests_per_second": rate, "added_p50_us": (median - alone) * 1e6,
                    "start_ms": proxy.start * 1e3, "idle_mb": idle, "loaded_mb": proxy.memory(),
                }
                proxy.stop()

            sim = subprocess.Popen([arguments.sim, "0", "0"], stdout=subprocess.PIPE, text=True, start_new_session=True)
            streaming = Proxy("direct", None, int(sim.stdout.readline().rsplit(":", 1)[1]), "small")
            streaming.process = sim
            running.append(streaming)
            ahead = {
                "nginx": nginx(folder, streaming.port, "small"),
                "pointsman": pointsman(folder, arguments.binary, "streams", "sim", f"http://127.0.0.1:{streaming.port}/v1", "small"),
            }
            running += ahead.values()
            alone = first_event(streaming)
            for name, proxy in ahead.items():
                figures[name]["added_first_event_us"] = (first_event(proxy) - alone) * 1e6
        finally:
            for proxy in running:
                proxy.stop()
    ratio = {
        f"{name}_to_nginx_cpu": figures[name]["cpu_us"] / figures["nginx"]["cpu_us"] for name in figures if name != "nginx"
    }
    if arguments.json:
        print(json.dumps({"figures": figures, "ratios": ratio}, indent=2))
        return
    columns = ["cpu_us", "requests_per_second", "added_p50_us", "added_first_event_us", "idle_mb", "loaded_mb", "start_ms"]
    print(f"{'':10}" + "".join(f"{column:>22}" for column in columns))
    for name, row in figures.items():
        print(f"{name:10}" + "".join(f"{row[column]:>22.1f}" if column in row else f"{'-':>22}" for column in columns))
    for name, value in ratio.items():
        print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
