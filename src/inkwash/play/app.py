"""The HTTP server of `inkwash play`: images, walks as server-sent events, models, trainings, health and metrics."""

import asyncio
import base64
import json
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from torch import Tensor

from inkwash import __version__
from inkwash.errors import InkwashError, UsageError
from inkwash.foreign import harmless
from inkwash.play.about import Watched, described_model, metrics_text, theory, watched
from inkwash.play.engine import Engine, Full
from inkwash.play.http import Guard
from inkwash.play.paint import Painter, PaintRequest
from inkwash.play.request import ImagesRequest, WalkRequest, as_command, as_python, turned
from inkwash.play.walk import Frame, coefficients, described
from inkwash.runs import build
from inkwash.runs.artifacts import FRAMES, SHOWN, write_drawn
from inkwash.runs.draw import Drawing, channels_last, sheet
from inkwash.runs.provenance import place
from inkwash.view import pick

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FULL: dict[int | str, dict[str, Any]] = {429: {"description": "The queue is full; Retry-After has the seconds."}}
FORMATS = {"png": "image/png", "gif": "image/gif", "npz": "application/octet-stream"}


@dataclass
class Served:
    """What a server serves: the engine, the folders of trainings to watch by name, and its token."""

    engine: Engine
    watched: dict[str, Watched] = field(default_factory=dict)
    token: str | None = None
    batch_size: int = 64


def make_app(served: Served) -> Any:
    """The ASGI application."""
    engine, painter, reading = served.engine, Painter(), threading.Lock()

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(engine.end)

    app = FastAPI(title="inkwash play", version=__version__, lifespan=living, docs_url=None, redoc_url=None)
    _errors(app)

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return _static("index.html")

    @app.get("/page/{name}", include_in_schema=False)
    def asset(name: str) -> Response:
        return _static(name)

    @app.get("/health", summary="Whether the server takes requests, and how many wait.")
    def health() -> dict[str, Any]:
        state = engine.state()
        if state["ended"]:
            raise HTTPException(503, "the server stops.")
        return {"status": "ok", "inkwash": __version__, "waiting": state["waiting"], "active": state["active"]}

    @app.get("/metrics", summary="Counters and gauges as Prometheus reads them.")
    def metrics() -> Response:
        return Response(metrics_text(engine.state()), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models", summary="The models, what each draws, its schedule and its sampler.")
    def models() -> dict[str, Any]:
        return {
            "models": [described_model(name, model) for name, model in engine.models.items()],
            "limits": engine.limits.model_dump(),
        }

    @app.post(
        "/v1/images",
        summary="Images as one file, with provenance that `inkwash replay` draws again.",
        response_class=Response,
        responses={
            200: {"content": {kind: {} for kind in FORMATS.values()}},
            **_FULL,
        },
    )
    async def images(asked: ImagesRequest, request: Request) -> Response:
        name, sampling, plan = engine.check(asked)
        model = engine.models[name]
        moments = pick(len(plan), FRAMES) if asked.format == "gif" else []
        sheets, last = [], None
        async for what, about in _events(engine, asked, request):
            if what == "frame" and about.step in moments:
                sheets.append(sheet(about.x[:SHOWN]))
            if what == "done":
                last = about
            if what == "error":
                raise UsageError(about)
        if last is None:
            raise HTTPException(499, "the client has gone.")
        drawn = Drawing(channels_last(last.x), sheets, last.evaluations)
        content = await asyncio.to_thread(
            _file, asked.format, lambda out: write_drawn(out, drawn, model, sampling, served.batch_size)
        )
        kept = {"content-disposition": f'attachment; filename="inkwash-{sampling.seed}.{asked.format}"'}
        return Response(content, media_type=FORMATS[asked.format], headers=kept)

    @app.post(
        "/v1/walks",
        summary="A walk from noise to images, level by level, as server-sent events.",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}, **_FULL},
    )
    async def walks(asked: WalkRequest, request: Request) -> Response:
        name, sampling, plan = engine.check(asked)
        model, run = engine.models[name], place(engine.models[name].folder)
        solver, turn = build.solver(sampling), turned(asked, sampling)
        does = coefficients(solver, plan)
        if turn is not None:
            does[turn[0] :] = coefficients(build.solver(turn[1]), plan[turn[0] :])
        begun = {
            "model": name, "n": sampling.n, "steps": sampling.steps, "shape": list(model.shape), "seed": sampling.seed,
            "solver": sampling.solver, "spacing": build.spacing(sampling), "eta": sampling.eta,
            "scale": sampling.scale, "order": getattr(solver, "order", 1), "plan": described(plan),
            "coefficients": does, "command": as_command(sampling, model, run),
            "python": as_python(sampling, model, run),
        }  # fmt: skip
        events = _events(engine, asked, request)
        first = await anext(events)  # a full queue is refused before the answer begins

        async def lines() -> AsyncIterator[str]:
            yield _event("begun", begun)
            yield _event(*_shown(*first))
            async for what, about in events:
                if what != "begun":
                    yield _event(*_shown(what, about))

        return StreamingResponse(lines(), media_type="text/event-stream")

    @app.post("/v1/theory", summary="The spread that a sampler gives Gaussian data, in closed form.")
    async def theories(asked: ImagesRequest) -> dict[str, Any]:
        name, sampling, plan = engine.check(asked)
        return await asyncio.to_thread(theory, engine.models[name], sampling, plan)

    @app.post("/v1/restorations", summary="A painted picture restored or drawn again, several times.")
    async def restorations(asked: PaintRequest) -> dict[str, Any]:
        _, model = engine.model(asked.model)
        return await asyncio.to_thread(painter.paint, model, asked)

    @app.get("/v1/trainings", summary="The trainings that this server watches.")
    def trainings() -> dict[str, Any]:
        return {"trainings": list(served.watched)}

    @app.get("/v1/trainings/{name}", summary="The reports of a training so far.")
    def training(name: str) -> dict[str, Any]:
        if name not in served.watched:
            raise HTTPException(404, "there is no such training here.")
        with reading:
            newer = served.watched[name].changed()
            if newer is not None:
                engine.put(name, newer)
        model = engine.models.get(name)
        saved = None if model is None else {"step": model.facts["step"], "digest": model.digest}
        return {**watched(name, served.watched[name].folder), "saved": saved}

    return Guard(app, served.token, engine.limits.body)


def _errors(app: FastAPI) -> None:
    """Every refusal is {"detail": one sentence}; what was sent is not repeated."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        said = f"`{where}`: {first['msg']}." if where else f"the request is not as /openapi.json says: {first['msg']}."
        return JSONResponse({"detail": harmless(said)}, 422)

    @app.exception_handler(InkwashError)
    async def wrong(_: Request, error: InkwashError) -> JSONResponse:
        if isinstance(error, Full):
            return JSONResponse({"detail": str(error)}, 429, headers={"retry-after": str(error.seconds)})
        return JSONResponse({"detail": harmless(str(error))}, 422 if isinstance(error, UsageError) else 500)


async def _events(engine: Engine, asked: ImagesRequest, request: Request) -> AsyncIterator[tuple[str, Any]]:
    """What happens to a request, in this loop; it is cancelled if the client goes."""
    queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    ticket = engine.submit(asked, lambda what, about: _put(loop, queue, (what, about)))
    try:
        while True:
            try:
                what, about = await asyncio.wait_for(queue.get(), 1.0)
            except TimeoutError:
                if await request.is_disconnected():
                    return
                continue
            yield what, about
            if what in ("done", "error"):
                return
    finally:
        engine.cancel(ticket)


def _put(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[tuple[str, Any]], event: tuple[str, Any]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(queue.put_nowait, event)


def _shown(what: str, about: Any) -> tuple[str, Any]:
    """An event as JSON: images are base64 of uint8 [n,H,W,C]."""
    if what == "frame":
        last = about.x is about.x0
        pictures = {"x": _text(about.x)} if last else {n: _text(getattr(about, n)) for n in ("x", "x0", "eps")}
        return what, {"step": about.step, "evaluations": about.evaluations, **pictures}
    if what == "done":
        found: Frame = about
        return what, {"step": found.step, "evaluations": found.evaluations}
    return what, {"detail": harmless(about)} if what == "error" else about


def _text(images: Tensor) -> str:
    return base64.b64encode(images.permute(0, 2, 3, 1).contiguous().numpy().tobytes()).decode()


def _event(what: str, about: Any) -> str:
    return f"event: {what}\ndata: {json.dumps(about)}\n\n"


def _file(ending: str, writes: Callable[[str], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="inkwash-play-") as folder:
        out = Path(folder) / f"images.{ending}"
        writes(str(out))
        return out.read_bytes()


@cache
def _assets() -> dict[str, tuple[bytes, str]]:
    """The files of the page. Clients name them by these keys; no path is made of what they send."""
    there = (each for each in files("inkwash.play").joinpath("page").iterdir() if each.is_file())
    return {each.name: (each.read_bytes(), TYPES[Path(each.name).suffix]) for each in there}


def _static(name: str) -> Response:
    found = _assets().get(name)
    if found is None:
        raise HTTPException(404, "there is no such file.")
    return Response(found[0], media_type=found[1])
