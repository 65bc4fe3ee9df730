"""A Hugging Face hub on loopback: the real protocol, and everything that can go wrong with it.

Large files are answered with a redirect to another host name, as the real hub does. Each request takes the
first fault that is meant for it. Every byte that went out is counted.
"""

import hashlib
import json
import re
import socket
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PIECE = 16 * 1024


@dataclass(kw_only=True)
class Fault:
    """What happens to the next `times` requests whose path contains `on`."""

    on: str = ""
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent in place of the real one."""
    cut_after: int | None = None
    """Bytes of the body after which the connection breaks."""
    claim: int = 0
    """Added to the content length that is announced."""
    ignore_range: bool = False
    shift: int = 0
    """Added to the place from which the body is sent, though not to what is announced."""
    pause: float = 0
    """Seconds before each 16 KiB."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request and what was answered; `sent` = bytes of the body that the client took in."""

    method: str
    path: str
    host: str
    range: str | None
    authorization: str | None
    status: int
    sent: int = 0


class FakeHub(ThreadingHTTPServer):
    """Serves the folders `root/<owner>/<name>` as repositories; a change of a file is a new commit."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path, *, token: str = "", gated: tuple[str, ...] = (), port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.root, self.token, self.gated = root, token, gated
        self.faults: list[Fault] = []
        self._asked: list[Asked] = []
        self._busy = 0
        self._idle = threading.Condition()
        self.latency = 0.0
        """Seconds for a round trip: added to each connection, and to each answer."""
        self.meet: Callable[[str], object] = lambda _: None
        """Called with the path of each request before it is answered."""
        self.in_step = False
        """Send the next piece only when the client has taken the last one out of its socket."""
        self.models: dict[str, list[tuple[str, str]]] = {}
        """By `owner/name:tag`, for `/v2/`: (type of a part, its file), as Ollama's registry serves them."""
        self.big: dict[str, int] = {}
        """Sizes of files, by `owner/name/path`, that end in zeros which are not on disk."""
        self.branches = {"main"}
        """All of them have the same files."""
        self.lock = threading.Lock()
        self._known: dict[tuple[str, int, int], tuple[str, str]] = {}

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, path: str) -> Fault:
        """The fault for this request; one that changes nothing if there is none."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.on in path:
                    fault.times -= 1
                    return fault
        return Fault()

    def size(self, file: Path) -> int:
        """Bytes of a file as the hub tells it."""
        return self.big.get(file.relative_to(self.root).as_posix(), file.stat().st_size)

    def hashes(self, file: Path) -> tuple[str, str]:
        """(sha256, git's own hash) of a file."""
        stat = file.stat()
        key = (str(file), stat.st_size, stat.st_mtime_ns)
        if key not in self._known:
            data = file.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            self._known[key] = (hashlib.sha256(data).hexdigest(), blob)
        return self._known[key]

    def repository(self, name: str) -> dict[str, dict[str, Any]]:
        """The files of a repository as the hub's API lists them."""
        folder = self.root / name
        files = {}
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            sha256, blob = self.hashes(file)
            path, size = file.relative_to(folder).as_posix(), self.size(file)
            entry: dict[str, Any] = {"rfilename": path, "size": size, "blobId": blob}
            if is_large(path):
                entry["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 134}
            files[path] = entry
        return files

    def commit(self, name: str) -> str:
        """The newest commit of a repository."""
        text = json.dumps(self.repository(name), sort_keys=True).encode()
        return hashlib.sha1(text, usedforsecurity=False).hexdigest()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def asked(self) -> list[Asked]:
        """What was asked for; waits for requests that a client has its answer to, but that are not written down yet."""
        with self._idle:
            self._idle.wait_for(lambda: not self._busy, timeout=5)
        return self._asked

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While a request is being answered."""
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    @property
    def sent(self) -> int:
        """Bytes of file contents that clients took in."""
        return sum(a.sent for a in self.asked if "/cdn/" in a.path or "/resolve/" in a.path)


def is_large(path: str) -> bool:
    """Whether the hub keeps a file outside git."""
    return path.endswith((".gguf", ".safetensors", ".bin"))


@contextmanager
def serving(root: Path, **options: Any) -> Iterator[FakeHub]:
    """A hub that runs in threads of this process."""
    hub = FakeHub(root, **options)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub
    headers: Message

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        time.sleep(self.server.latency)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        with self.server.answering():
            self._get()

    def _get(self) -> None:
        time.sleep(self.server.latency)
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.server.meet(path)
        fault = self.server.take(path)
        if fault.status is not None:
            self._answer(fault.status, fault.body or b"", fault.headers, fault)
        elif fault.body is not None:
            self._answer(200, fault.body, {"Content-Type": "text/html"} | fault.headers, fault)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._model(match[1], match[2] or "main", fault)
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(match[1], match[2], match[3], fault)
        elif match := re.fullmatch(r"/v2/([^/]+/[^/]+)/manifests/([^/]+)", path):
            self._manifest(f"{match[1]}:{match[2]}", fault)
        elif match := re.fullmatch(r"/v2/[^/]+/[^/]+/blobs/sha256:([0-9a-f]{64})", path):
            self._blob(match[1], fault)
        elif match := re.fullmatch(r"/cdn/(.+)", path):
            self._file(self.server.root / match[1], {}, fault)
        else:
            self._error(404, "", "no such route")

    def _allowed(self, name: str, revision: str) -> bool:
        """Whether to go on; answers itself if not."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not (self.server.root / name).is_dir() or ".." in name:
            self._error(404 if token else 401, "RepoNotFound", "Repository not found")
        elif name in self.server.gated and token != self.server.token:
            self._error(403 if token else 401, "GatedRepo", f"Access to model {name} is restricted")
        elif revision not in (*self.server.branches, self.server.commit(name)):
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return True
        return False

    def _model(self, name: str, revision: str, fault: Fault) -> None:
        if self._allowed(name, revision):
            info = {
                "id": name,
                "sha": self.server.commit(name),
                "gated": "manual" if name in self.server.gated else False,
                "cardData": {"license": "apache-2.0"},
                "siblings": list(self.server.repository(name).values()),
            }
            self._answer(200, json.dumps(info).encode(), {"Content-Type": "application/json"}, fault)

    def _resolve(self, name: str, revision: str, path: str, fault: Fault) -> None:
        if not self._allowed(name, revision):
            return
        commit = self.server.commit(name)
        file = self.server.root / name / path
        if ".." in path or not file.is_file():
            self._error(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        sha256, blob = self.server.hashes(file)
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if not is_large(path):
            self._file(file, headers | {"ETag": f'"{blob}"'}, fault)
            return
        # Another host name than the hub's, and with it another origin: tokens must not follow.
        port = self.server.server_address[1]
        place = f"http://localhost:{port}/cdn/{urllib.parse.quote(f'{name}/{path}')}"
        linked = {"X-Linked-Size": str(self.server.size(file)), "X-Linked-ETag": f'"{sha256}"'}
        headers |= linked | {"ETag": f'"{sha256}"', "Location": place}
        self._answer(302, b"", headers | fault.headers, fault)

    def _manifest(self, model: str, fault: Fault) -> None:
        if model not in self.server.models:
            self._error(404, "", "MANIFEST_UNKNOWN")
            return
        parts = [
            {
                "mediaType": f"application/vnd.ollama.image.{kind}",
                "digest": f"sha256:{self.server.hashes(self.server.root / path)[0]}",
                "size": self.server.size(self.server.root / path),
            }
            for kind, path in self.server.models[model]
        ]
        config = next((part for part in parts if str(part["mediaType"]).endswith(".config")), {})
        layers = [part for part in parts if part is not config]
        body = json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()
        self._answer(200, body, {"Content-Type": "application/json"}, fault)

    def _blob(self, sha256: str, fault: Fault) -> None:
        paths = {path for parts in self.server.models.values() for _, path in parts}
        path = next((p for p in paths if self.server.hashes(self.server.root / p)[0] == sha256), None)
        if path is None:
            self._error(404, "", "BLOB_UNKNOWN")
            return
        place = f"http://localhost:{self.server.server_address[1]}/cdn/{urllib.parse.quote(path)}"
        self._answer(307, b"", {"Location": place} | fault.headers, fault)

    def _file(self, file: Path, headers: dict[str, str], fault: Fault) -> None:
        if not file.is_file():
            self._error(404, "EntryNotFound", "gone")
            return
        size = self.server.size(file)
        start, end, status = 0, size, 200
        headers = {"ETag": f'"{self.server.hashes(file)[0]}"', "Accept-Ranges": "bytes"} | headers
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked and not fault.ignore_range:
            start, status = int(asked[1]), 206
            if start >= size:
                self._answer(416, b"", {"Content-Range": f"bytes */{size}"}, fault)
                return
            end = min(size, int(asked[2] or size) + 1)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        pieces = self._pieces(file, start + fault.shift, end)
        self._send(status, headers | fault.headers, end - start, pieces, fault)

    def _pieces(self, file: Path, start: int, end: int) -> Iterator[bytes]:
        with file.open("rb") as opened:
            opened.seek(start)
            left = end - start
            while left > 0:
                piece = opened.read(min(PIECE, left))
                yield (piece := piece or bytes(min(PIECE, left)))
                left -= len(piece)

    def _error(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        said = {"X-Error-Code": code, "X-Error-Message": message} | (headers or {})
        self._answer(status, json.dumps({"error": message}).encode(), said, Fault())

    def _answer(self, status: int, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        pieces = (body[i : i + PIECE] for i in range(0, len(body), PIECE))
        self._send(status, headers, len(body), pieces, fault)

    def _send(
        self, status: int, headers: dict[str, str], size: int, pieces: Iterator[bytes], fault: Fault
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(size + fault.claim), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        sent = 0
        try:
            for piece in pieces if self.command != "HEAD" else ():
                time.sleep(fault.pause)
                if fault.cut_after is not None and sent + len(piece) > fault.cut_after:
                    piece = piece[: fault.cut_after - sent]
                self.wfile.write(piece)
                # The last piece counts as well, of which nobody can tell whether it was read.
                sent += len(piece)
                if self.server.in_step and not self._taken():
                    break
                if sent == fault.cut_after:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    break
        except OSError:
            self.close_connection = True
        if fault.claim:
            self.close_connection = True
        with self.server.lock:
            self.server._asked.append(
                Asked(
                    method=self.command,
                    path=self.path,
                    host=(self.headers.get("Host") or "").partition(":")[0],
                    range=self.headers.get("Range"),
                    authorization=self.headers.get("Authorization"),
                    status=status,
                    sent=sent,
                )
            )

    def _taken(self) -> bool:
        """Waits until the client has read all that was sent; False if it hung up with bytes unread."""
        mine, theirs = self.server.server_address[1], self.client_address[1]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            unread = _unread(theirs, mine)
            if unread is None:
                self.close_connection = True
                return False
            if unread == 0:
                return True
            time.sleep(0.0005)
        return False


def _unread(local: int, remote: int) -> int | None:
    """Bytes on the way to, and in the receive queue of, the socket from port `local` to port `remote`."""
    ends = (f":{local:04X}", f":{remote:04X}")
    waiting = 0
    open_ends = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        here, there, state, (out, queued) = fields[1], fields[2], fields[3], fields[4].split(":")
        if state == "01" and here.endswith(ends[0]) and there.endswith(ends[1]):
            waiting += int(queued, 16)
            open_ends += 1
        elif state == "01" and here.endswith(ends[1]) and there.endswith(ends[0]):
            waiting += int(out, 16)
            open_ends += 1
    return waiting if open_ends == 2 else None
