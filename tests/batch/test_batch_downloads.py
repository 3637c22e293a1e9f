"""batch: archives from servers, once each, whole or not at all."""

import hashlib
import http.server
import os
import shutil
import threading

import pytest
from batch_runs import BESIDE, recipe, verdicts
from directories import tree


@pytest.fixture
def server(tmp_path):
    """(address, requests) of a server of `served`; /cut/NAME promises more than it sends."""
    top = tmp_path / "served"
    top.mkdir()
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            path = str(top / os.path.basename(self.path))
            if not os.path.exists(path):
                self.send_error(404)
                return
            with open(path, "rb") as file:
                data = file.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if "/cut/" in self.path else data)

        def log_message(self, *_):
            pass

    made = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", requests
    made.shutdown()
    made.server_close()
    thread.join()


def download(url, data, **changes):
    said = dict({"size": len(data), "sha256": f'"{hashlib.sha256(data).hexdigest()}"'}, **changes)
    size, sha256 = said["size"], said["sha256"]
    return f'download {{ url: "{url}" size: {size} sha256: {sha256} }}'


@pytest.mark.slow
def test_downloads(graphfix, place, tmp_path, server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    address, requests = server
    shutil.copy(str(place / "two.tar.gz"), str(tmp_path / "served"))
    data = (place / "two.tar.gz").read_bytes()
    good = download(address + "/two.tar.gz", data)
    other = download("file://" + str(place / "two.tar.gz"), data, size=len(data))
    path = recipe(place, good, good + ' name: "again" target { seed: 1 }', other + ' name: "file"')
    done = graphfix("batch", path, "--output_directory", place / "out", "--jobs", "2")
    assert (done.code, done.err) == (0, "")
    assert verdicts(done) == [["two", "converted"], ["again", "converted"], ["file", "converted"]]
    assert requests in (["/two.tar.gz"], [])
    one = tree(place / "out" / "two", but=BESIDE)
    graphfix(
        "batch",
        recipe(place, 'source: "two.tar.gz"', name="r2"),
        "--output_directory",
        place / "plain",
    )
    for name in ("model.ckpt.data-00000-of-00001", "plan.json", "pipeline.config"):
        assert one[name] == tree(place / "plain" / "two", but=BESIDE)[name]
    count = len(requests)
    shutil.rmtree(str(place / "out" / BESIDE[0]))
    done = graphfix("batch", path, "--output_directory", place / "out")
    assert [verdict for _, verdict in verdicts(done)] == ["unchanged"] * 3
    assert len(requests) == count


@pytest.mark.slow
def test_downloads_that_are_wrong(graphfix, place, tmp_path, server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    address, _ = server
    shutil.copy(str(place / "two.tar.gz"), str(tmp_path / "served"))
    data = (place / "two.tar.gz").read_bytes()
    rows = [
        (download(address + "/two.tar.gz", data, sha256='"%s"' % ("0" * 64)), "SHA-256"),
        (download(address + "/two.tar.gz", data, size=len(data) - 1), "has more than"),
        (download(address + "/two.tar.gz", data, size=len(data) + 1), f"has only {len(data)}"),
        (download(address + "/cut/two.tar.gz", data), ""),
        (download(address + "/none.tar.gz", data), "cannot be downloaded"),
        (download("http://127.0.0.1:1/two.tar.gz", data), "cannot be downloaded"),
        (download("file:///nowhere/two.tar.gz", data), "cannot be downloaded"),
    ]
    path = recipe(
        place,
        *[f'name: "m{number}" {one}' for number, (one, _) in enumerate(rows)],
        'source: "one"',
    )
    done = graphfix("batch", path, "--output_directory", place / "out")
    assert done.code == 1 and done.err == ""
    for (_, words), line in zip(rows, done.out.splitlines()):
        assert line.split()[1] == "failed" and words in line and "Traceback" not in line, line
    assert os.listdir(str(place / "out" / BESIDE[0] / "downloads")) == []
    assert sorted(os.listdir(str(place / "out"))) == BESIDE + ["one"]
