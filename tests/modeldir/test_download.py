"""Downloads from servers that are slow, lose connections, lie, or are ended; nothing is left of
them."""

import contextlib
import hashlib
import http.server
import os
import random
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time

import builders
import pytest
import readme
import thorough

from graphfix.errors import RequestError, SourceError
from graphfix.modeldir import download
from graphfix.modeldir.download import fetch

DATA = random.Random(1).getrandbits(8 * 300000).to_bytes(300000, "little")
OTHER = DATA[::-1]
SHA = hashlib.sha256(DATA).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves DATA; a path's first word says how."""

    def do_GET(self):
        how = self.path.split("/")[1]
        asked = re.match(r"bytes=(\d+)-\Z", self.headers.get("Range") or "")
        start = int(asked.group(1)) if asked else 0
        turn = len(self.server.requests)
        self.server.requests.append((how, start))
        if how == "moved":
            self.send("302 Found", {"Location": "/whole/it"}, b"")
            return
        if how == "none":
            self.send("404 Not Found", {}, b"nothing")
            return
        if how == "trickle" or how == "headers":
            self.trickle(how)
            return
        if how == "unsatisfiable" and start:
            self.send("416 Range Not Satisfiable", {}, b"")
            return
        ranges = asked and how not in ("rangeless", "first")
        first = 1000 if how == "shifted" and start else start
        body = DATA[first:] if ranges else DATA
        if how == "another" and turn == 1:
            body = OTHER[start:]
        if how == "longer":
            body += b"x"
        if how == "shorter":
            body = body[:-1]
        headers = {"Content-Length": str(len(body))}
        if how in ("chunks", "unsaid"):
            headers = {"Transfer-Encoding": "chunked"} if how == "chunks" else {}
        if ranges:
            headers["Content-Range"] = f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"
        if how == "chunks":
            body = b"%x\r\n%s\r\n" % (len(body), body) + b"0\r\n\r\n"
        # As much as comes before the connection is lost.
        most = {
            "whole": len(body),
            "longer": len(body),
            "shorter": len(body),
            "dead": 0,
            "first": len(body) if turn else 9000,
            "rangeless": 9000,
            "drops": 70000,
            "many": 1000,
        }.get(how, len(body) if turn else 100000)
        self.send("206 Partial Content" if ranges else "200 OK", headers, body[:most])

    def send(self, status, headers, body):
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.wfile.write((f"HTTP/1.1 {status}\r\n{head}\r\n").encode() + body)

    def trickle(self, how):
        """A byte now and then: no read ever times out."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if how == "trickle":
            self.wfile.write(b"Content-Length: %d\r\n\r\n" % len(DATA) + DATA[:20000])
        while not self.server.done.is_set():
            self.wfile.write(b"x")
            self.server.done.wait(0.05)

    def handle(self):
        with contextlib.suppress(OSError):  # nobody listens any more
            super().handle()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    made = Server(("127.0.0.1", 0), Handler)
    made.requests, made.done = [], threading.Event()
    made.address = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(
        target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    yield made
    made.done.set()
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def get(server, tmp_path):
    """Fetches DATA from a path of the server; what is there then."""

    def fetched(how, **changes):
        (tmp_path / "work").mkdir(exist_ok=True)
        said = dict(
            dict(
                size=len(DATA),
                sha256=SHA,
                path=str(tmp_path / "it.tar.gz"),
                work=str(tmp_path / "work"),
            ),
            **changes,
        )
        try:
            fetch(f"{server.address}/{how}/it.tar.gz", **said)
        finally:
            assert os.listdir(str(tmp_path / "work")) == []
        return (tmp_path / "it.tar.gz").read_bytes()

    return fetched


@pytest.mark.parametrize(
    "how, starts",
    [
        ("whole", [0]),
        ("moved", [0, 0]),
        ("drops", [0, 70000, 140000, 210000, 280000]),
        ("first", [0, 9000]),
        ("unsatisfiable", [0, 100000, 0]),
        ("chunks", None),
        ("another", [0, 100000, 0]),
    ],
)
def test_it_arrives(server, get, how, starts):
    """Whole, after redirection, in parts; all over again from a server without ranges, or of which
    a part is not of the file it was."""
    assert get(how) == DATA
    assert starts is None or [start for _, start in server.requests] == starts


@pytest.mark.parametrize(
    "how, most, message",
    [
        ("none", 1, "cannot be downloaded: Not Found"),
        ("longer", 1, "has more than the 300000 bytes"),
        ("shorter", 1, "has only 299999 bytes, fewer than the 300000"),
        ("unsaid", 1, "has only 100000 bytes, fewer"),
        ("dead", 1, "cannot be downloaded: the connection ended after 0 of 300000 bytes"),
        ("rangeless", 2, "the connection ended after 9000 of 300000 bytes"),
        ("many", 5, "the connection ended after 5000 of 300000 bytes"),
        ("shifted", 2, "another part than was asked for"),
    ],
)
def test_it_does_not(server, get, tmp_path, how, most, message):
    with pytest.raises(SourceError, match=message) as caught:
        get(how)
    assert caught.value.problems[0].subject.startswith(server.address)
    assert len(server.requests) == most and os.listdir(str(tmp_path)) == ["work"]


def test_another_archive(get, tmp_path):
    with pytest.raises(SourceError, match=f"has the SHA-256 {SHA}, not"):
        get("whole", sha256="0" * 64)
    assert os.listdir(str(tmp_path)) == ["work"]


@pytest.mark.slow
@pytest.mark.parametrize("how", thorough.sampled(["trickle", "headers"], 2))
def test_time_is_limited_as_a_whole(get, tmp_path, monkeypatch, how):
    monkeypatch.setattr(download, "_SECONDS", 0)
    monkeypatch.setattr(download, "_BYTES_A_SECOND", len(DATA))
    with pytest.raises(SourceError, match=r"cannot be downloaded: after 1 seconds, \d+ of 300000"):
        get(how)
    assert os.listdir(str(tmp_path)) == ["work"]


def test_the_limit_follows_the_size():
    assert [
        download._Transfer("", size, "", None, "").seconds for size in (1, 76541073, 8 << 30)
    ] == [300, 1467, 131372]


def test_a_full_disk(get, tmp_path):
    with pytest.raises(RequestError, match=r"it\.tar\.gz: cannot be written: No such file"):
        get("whole", path=str(tmp_path / "nowhere" / "it.tar.gz"))
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb", buffering=0) as full, pytest.raises(
            RequestError, match="cannot be written: No space left"
        ):
            download._Transfer(
                "file://" + builders.write(tmp_path, "it", DATA), len(DATA), SHA, full, "it"
            ).run()


# As batch ends it


def begun(server, tmp_path, *models):
    """A batch that is downloading, in a session of its own."""
    builders.write(tmp_path, "labels.pbtxt", builders.label_map(["person"]))
    path = builders.write(
        tmp_path,
        "recipe.txt",
        (
            'defaults { label_map_path: "labels.pbtxt" }\n'
            f'model {{ download {{ url: "{server.address}/trickle/it.tar.gz" size: {len(DATA)} '
            f'sha256: "{SHA}" }} }}'
        )
        + "".join(models),
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "graphfix",
            "batch",
            path,
            "--output_directory",
            str(tmp_path / "out"),
        ],
        env=dict(os.environ, PYTHONPATH=readme.REPOSITORY),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    part = tmp_path / "out" / ".graphfix-batch" / "work" / "it" / (SHA + ".tar.gz")
    end = time.monotonic() + 60
    while not (server.requests and part.exists()):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    return process


def left(tmp_path):
    top = tmp_path / "out" / ".graphfix-batch"
    return sorted(os.listdir(str(top / "work")) + os.listdir(str(top / "downloads")))


@pytest.mark.parametrize(
    "number, code", thorough.sampled([(signal.SIGTERM, 143), (signal.SIGINT, 130)], 2)
)
@pytest.mark.slow
def test_a_signal_leaves_nothing(server, tmp_path, number, code):
    process = begun(server, tmp_path)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code and left(tmp_path) == []


@pytest.mark.slow
def test_the_run_after_one_that_was_killed_sweeps(server, tmp_path, model, graphfix):
    process = begun(server, tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert left(tmp_path) == ["it"]
    # Another recipe, in which that model is no more.
    path = builders.write(
        tmp_path,
        "other.txt",
        (f'model {{ source: "{model}" name: "m" target {{ label_map_path: "labels.pbtxt" }} }}'),
    )
    assert graphfix("batch", path, "--output_directory", tmp_path / "out").code == 0
    assert left(tmp_path) == []
