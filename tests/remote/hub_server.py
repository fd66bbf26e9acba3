"""A hub on this machine, for tests: repositories of files, and how it answers wrongly."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "a" * 40


@dataclass
class Hub:
    url: str = ""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    status: int | None = None  # answers everything with this
    cut: int | None = None  # bytes of a file after which a connection breaks
    asked: list[str] = field(default_factory=list)
    created: list[dict[str, object]] = field(default_factory=list)


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def answer(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def say(self, about: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
            self.answer(status, json.dumps(about).encode(), {"Content-Type": "application/json", **(headers or {})})

        def wrong(self) -> bool:
            hub.asked.append(f"{self.command} {self.path.partition('?')[0]} {self.headers.get('Range', '')}".strip())
            if hub.status is not None:
                self.say({"error": "no"}, hub.status)
            return hub.status is not None

        def file(self) -> None:
            if self.wrong():
                return
            path = self.path.partition("?")[0].lstrip("/")
            if path.startswith("api/models/"):
                repo = "/".join(path.split("/")[2:4])
                if repo not in hub.repos:
                    self.say({"error": "no"}, 404, {"X-Error-Code": "RepoNotFound"})
                elif "/tree/" in path:
                    self.say([{"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                              for name, content in hub.repos[repo].items()])  # fmt: skip
                else:
                    files = [{"rfilename": name} for name in hub.repos[repo]]
                    self.say({"id": repo, "sha": COMMIT, "siblings": files, "private": False, "tags": [],
                              "downloads": 0, "likes": 0})  # fmt: skip
                return
            owner, name, _, revision, *rest = path.split("/")
            repo, wanted = f"{owner}/{name}", "/".join(rest)
            if repo not in hub.repos:
                self.say({"error": "no"}, 404, {"X-Error-Code": "RepoNotFound"})
            elif revision not in ("main", COMMIT):
                self.say({"error": "no"}, 404, {"X-Error-Code": "RevisionNotFound"})
            elif wanted not in hub.repos[repo]:
                self.say({"error": "no"}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            else:
                self.serve(hub.repos[repo][wanted])

        def serve(self, content: bytes) -> None:
            first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            part = content[first:]
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT,
                       "Accept-Ranges": "bytes", "Content-Length": str(len(part))}  # fmt: skip
            if first:
                headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            if hub.cut is None or self.command == "HEAD":
                self.answer(206 if first else 200, part, headers)
                return
            self.send_response(206 if first else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(part[: hub.cut])
            self.close_connection = True

        do_GET = do_HEAD = file  # noqa: N815

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.wrong():
                return
            path = self.path.partition("?")[0]
            if path == "/api/repos/create":
                about = json.loads(body)
                hub.created.append(about)
                repo = f"{about.get('organization') or 'me'}/{about['name']}"
                hub.repos.setdefault(repo, {})
                self.say({"url": f"{hub.url}/{repo}", "name": repo})
            elif path == "/api/validate-yaml":
                self.say({"errors": [], "warnings": []})
            elif "/preupload/" in path:
                files = json.loads(body)["files"]
                self.say({"files": [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                                    for each in files]})  # fmt: skip
            elif "/commit/" in path:
                repo = "/".join(path.split("/")[3:5])
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        hub.repos[repo][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                self.say({"commitUrl": f"{hub.url}/{repo}/commit/{COMMIT}", "commitOid": COMMIT})
            else:
                self.say({"error": path}, 404)

    return Handler


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
