"""Whatever is thrown at it, it answers in its own words and goes on serving."""

import json
import random
import socket

import pytest
import requests

from harness import EASY

GOOD = {"model": "auto/plain", "messages": [{"role": "user", "content": EASY}]}


@pytest.fixture(autouse=True)
def still_serving(gateway):
    yield
    assert gateway.alive() and gateway.ask("auto/plain").status_code == 200
    assert "panicked" not in gateway.log()


def refused(answer, status, code=None):
    assert answer.status_code == status, (answer.status_code, answer.text[:200])
    error = answer.json()["error"]
    assert error["message"] and error["code"] and error["request_id"].startswith("req_")
    if code:
        assert error["code"] == code
    return error


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"text"', b"17", b"not json", b'{"model":"auto"', b'{"model":"auto"} trailing',
        b'\xff\xfe{"model":"auto"}', b'{"model":"\xff","messages":[]}', b"{}", b'{"model":"auto"}', b'{"messages":[]}',
        b'{"model":null,"messages":[]}', b'{"model":17,"messages":[]}', b'{"model":"auto","messages":{}}',
        b'{"model":"auto","model":"auto","messages":[]}', b"\x00" * 1000, b'{"model":"auto","messages":[}]}',
        b'{"model":"auto","messages":[{"role":"user","content":"\\ud800"}],"stream":"yes"}',
    ],
)
def test_what_is_no_request_is_a_400(gateway, body):
    error = refused(gateway.post(body), 400)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": "yes"}, {"n": "two"}, {"max_tokens": "many"}, {"temperature": "hot"}, {"tools": {}},
        {"messages": "hello"}, {"messages": [17]}, {"stream_options": 1},
        {"response_format": "json"}, {"logprobs": "yes"},
    ],
)
def test_wrong_types_are_named(gateway, fields):
    error = refused(gateway.post(GOOD | fields), 400)
    name = next(iter(fields))
    assert name in error["message"] or name in (error["param"] or "")


def test_too_large_a_body_is_a_413(gateway):
    body = json.dumps(GOOD | {"user": "x" * 25_000_000})
    refused(gateway.post(body), 413, "request_too_large")


def test_too_large_a_body_without_a_length_is_a_413(gateway):
    def pieces():
        yield b'{"model":"auto/plain","messages":[{"role":"user","content":"'
        for _ in range(25):
            yield b"x" * 1_000_000

    refused(gateway.post_stream(pieces()), 413, "request_too_large")


@pytest.mark.parametrize("open_, close", [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_a_400(gateway, open_, close):
    deep = open_ * 10_000 + "1" + close * 10_000
    for body in (deep, json.dumps(GOOD)[:-1] + f',"metadata":{deep}}}', open_ * 10_000):
        answer = gateway.post(body)
        refused(answer, 400)
        assert answer.elapsed.total_seconds() < 2


def test_long_prompts_are_fine(gateway):
    answer = gateway.ask("sim/large", "Summarise: " + "All work and no play makes Jack a dull boy. " * 4000)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("POST", "/chat/completions", 404), ("GET", "/v1", 404), ("POST", "/v1/rerank", 404),
        ("GET", "/v1/chat/completions", 405), ("DELETE", "/v1/models", 405), ("PUT", "/v1/quote", 405),
        ("POST", "/healthz", 405), ("GET", "/v1/decisions/nonsense", 404), ("GET", "/v1/models/no/such/model", 404),
    ],
)
def test_paths_and_methods(gateway, method, path, status):
    refused(requests.request(method, gateway.url + path, timeout=10), status)


def test_a_compressed_body_is_a_415(gateway):
    refused(gateway.post(b"\x1f\x8b", headers={"content-encoding": "gzip"}), 415)


def raw(gateway, data, wait=1.0):
    """Sends bytes as they are; the beginning of what comes back, `b""` for a closed connection or none in time."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=wait) as connection:
        try:
            connection.sendall(data)
            return connection.recv(65536)
        except (TimeoutError, ConnectionError):
            return b""


def hostile():
    """200 requests that somebody should not have written."""
    random_ = random.Random(7)
    paths = [
        "//v1/models", "/v1/models/../../etc/passwd", "/v1/models/%2e%2e/%2e%2e", "/v1/models/%00", "/v1/models/%ff%fe",
        "/v1/models?" + "a=b&" * 2000, "/v1/models/" + "a/" * 3000, "*", "http://evil.example/v1/models", "/v1\\models",
        "/v1/models;x=y", "/v1/models/%", "/v1/decisions/" + "9" * 500, "/v1/decisions/req_%F0%9F%92%A9", "/\x7f",
        "/v1/models/\xe4\xf6", "/v1/chat/completions/", "/V1/MODELS", "/healthz/..", "/?" + "%0d%0aset-cookie:%20a=b",
    ]
    headers = [
        b"host: evil.example\r\nhost: other", b"host:", b"content-length: -1", b"content-length: 5\r\ncontent-length: 6",
        b"content-length: 99999999999999999999", b"transfer-encoding: chunked\r\ncontent-length: 3", b"transfer-encoding: xchunked",
        b"transfer-encoding: chunked, identity", b"x-a: " + b"b" * 70_000, b"\r\n".join(b"x-%d: y" % i for i in range(300)),
        b": no name", b"x-b\x00: y", b"x-c: a\x00b", b" folded", b"x-d: a\r\n b", b"authorization: Bearer \xff\xfe",
        b"authorization: " + b"A" * 10_000, b"x-pointsman-explain: \xff", b"x-pointsman-cache-ttl: -1s", b"expect: 100-continue",
        b"connection: upgrade\r\nupgrade: websocket", b"upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__", b"te: trailers",
        b"x-forwarded-for: 1.2.3.4", b"content-type: text/html", b"accept-encoding: gzip;q=nonsense", b"x-sim-fault: nonsense",
        b"x-pointsman-session: " + b"s" * 5000, b"cache-control: \x80", b"x-request-id: a\tb",
    ]
    body = json.dumps(GOOD).encode()
    for path in paths:
        for method in ("GET", "POST", "CONNECT"):
            yield f"{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{{}}".encode("latin-1")
    for header in headers:
        for end in (b"", b"content-length: %d\r\n" % len(body)):
            yield b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n" + end + header + b"\r\n\r\n" + body
    for version in (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b""):
        yield b"GET /healthz " + version + b"\r\n\r\n"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 64
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))
    while True:
        good = bytearray(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        for _ in range(random_.randrange(1, 6)):
            good[random_.randrange(len(good))] = random_.randrange(256)
        yield bytes(good)


def test_two_hundred_hostile_requests(gateway):
    requests_, answered = hostile(), 0
    for number in range(200):
        request = next(requests_)
        answer = raw(gateway, request)
        if answer and answer.startswith(b"HTTP/1"):
            answered += 1
            status = int(answer.split(b" ", 2)[1])
            assert status != 500, (number, request[:200], answer[:300])
            assert b"set-cookie" not in answer.split(b"\r\n\r\n")[0].lower()
        if number % 50 == 49:
            assert gateway.alive()
    assert answered > 120, "most are understood well enough to be refused in words"


def test_a_request_hidden_in_another_is_not_answered(gateway):
    hidden = b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n"
    both = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" % len(hidden)
    )
    answer = raw(gateway, both + hidden)
    assert b'"object":"list"' not in answer


def test_slow_headers_do_not_hold_a_connection_for_ever(start, sim):
    gateway = start({"providers": {"sim": {"base_url": sim.base}}, "limits": {"header_read_timeout": "500ms"}})
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nx-slow: ")
        # Closed, with or without a 408 before it; what must not happen is that this times out.
        while connection.recv(1024):
            pass
