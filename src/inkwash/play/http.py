"""What stands before the server: who may ask, how much they may send, and the headers of every answer."""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/", "/page/", "/health")  # the page itself asks for the token
HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; object-src 'none'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


class Guard:
    """ASGI middleware. Where a `token` is set, it is wanted as `Authorization: Bearer TOKEN`, except for the page.

    Without a token only requests addressed to this machine by a local name are answered, and none that a page of
    another origin has sent; so no website can use the server of a person who visits it.
    """

    def __init__(self, app: App, token: str | None, most: int) -> None:
        self.app, self.token, self.most = app, token, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        refusal = self._refusal(scope["path"], headers)

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in HEADERS.items() if name not in there]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        if refusal is not None:
            await _refuse(with_headers, *refusal)
            return
        body = await self._body(receive)
        if body is None:
            await _refuse(with_headers, 413, f"a request has at most {self.most:,} bytes.")
            return
        await self.app(scope, _replayed(body, receive), with_headers)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        host = headers.get(b"host", b"")
        origin = headers.get(b"origin")
        if origin is not None and origin.partition(b"://")[2] != host:
            return 403, "this server answers its own page only."
        if self.token is None:
            if host.rpartition(b":")[0] not in _LOCAL and host not in _LOCAL:
                return 403, "this server answers on this machine only; address it as 127.0.0.1 or localhost."
        elif path != "/" and not path.startswith(OPEN[1:]):
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self.token.encode()):
                return 401, "this server wants its token: `Authorization: Bearer TOKEN`."
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 12 or int(length) > self.most:
            return 413, f"a request has at most {self.most:,} bytes."
        return None

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body, or None if it is too long, whatever its length was said to be."""
        found = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return found
            found += bytes(message.get("body", b""))
            if len(found) > self.most:
                return None
            if not message.get("more_body"):
                return found


_LOCAL = (b"127.0.0.1", b"localhost", b"[::1]")


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def once() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()  # waits until the client goes
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
