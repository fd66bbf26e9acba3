"""A web server for one test: what it answers under each name, and what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Mirror:
    """What a small web server answers under one name."""

    content: bytes = b""
    status: int = 200
    ranges: bool = True  # whether it can resume
    dies_after: int | None = None  # bytes of an answer after which the connection breaks
    asked: list[str] = field(default_factory=list)  # the Range header of each request, "" without


@dataclass
class Server:
    url: str
    mirrors: dict[str, Mirror] = field(default_factory=dict)

    def add(self, name: str, mirror: Mirror) -> str:
        self.mirrors[name] = mirror
        return f"{self.url}/{name}/"
