"""A hub in a thread: the commits of one repository, as far as huggingface_hub asks for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

REPOSITORY = "owner/model"
LARGE = (".safetensors", ".bin")


@dataclass
class FakeHub:
    """The files of each commit; `main` is the newest. What was asked for is in `asked`."""

    commits: dict[str, dict[str, bytes]]
    main: str
    address: str = ""
    asked: list[str] = field(default_factory=list)

    def commit_of(self, revision: str) -> str:
        return self.main if revision == "main" else revision


def etag_of(name: str, content: bytes) -> str:
    """Large files are known by their SHA-256, others by their hash in Git."""
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@contextmanager
def fake_hub(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve the hub until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, hub, with_body=True)

        def do_HEAD(self) -> None:
            _answer(self, hub, with_body=False)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, hub: FakeHub, *, with_body: bool) -> None:
    path = request.path.partition("?")[0]
    hub.asked.append(path)
    status, headers, body = 404, {}, b"{}"
    if path.startswith(f"/api/models/{REPOSITORY}"):
        status, body = 200, json.dumps(_listing(hub, path)).encode()
        headers = {"Content-Type": "application/json"}
    elif path.startswith(f"/{REPOSITORY}/resolve/"):
        revision, _, name = path.removeprefix(f"/{REPOSITORY}/resolve/").partition("/")
        commit = hub.commit_of(revision)
        content = hub.commits[commit][name]
        promised = hub.commits[commit].get(f"promised {name}", content)
        status, body = 200, content
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag_of(name, promised)}"'}
    request.send_response(status)
    for header, value in {**headers, "Content-Length": str(len(body))}.items():
        request.send_header(header, value)
    request.end_headers()
    if with_body:
        request.wfile.write(body)


def _listing(hub: FakeHub, path: str) -> Any:
    """The answers about a model: its commit and files, or the tree of a commit."""
    kind, _, revision = path.removeprefix(f"/api/models/{REPOSITORY}").strip("/").partition("/")
    commit = hub.commit_of(revision.split("/")[0] or "main")
    files = {name: content for name, content in hub.commits[commit].items() if not name.startswith("promised ")}
    if kind == "tree":
        return [_entry(name, content) for name, content in files.items()]
    return {"id": REPOSITORY, "sha": commit, "siblings": [{"rfilename": name} for name in files]}


def _entry(name: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": etag_of("", content)}
    if name.endswith(LARGE):
        entry["lfs"] = {"oid": etag_of(name, content), "size": len(content), "pointerSize": 134}
    return entry
