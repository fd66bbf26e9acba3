"""The server as clients meet it: pictures, walks, refusals, and nothing that is not theirs."""

import base64
import io
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from server import serving

from cli_runner import TINY, did, inkwash
from inkwash import load, models
from inkwash.play.about import Watched, theory
from inkwash.play.request import Limits
from inkwash.runs import build
from inkwash.runs.model import open_model
from inkwash.settings import Sampling


def walked(at: str, **asked: Any) -> Iterator[tuple[str, Any]]:
    """The events of a walk."""
    with requests.post(f"{at}/v1/walks", json=asked, stream=True, timeout=60) as answer:
        assert answer.status_code == 200, answer.text
        what = ""
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("event: "):
                what = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield what, json.loads(line.removeprefix("data: "))


def asked(at: str, **body: Any) -> requests.Response:
    return requests.post(f"{at}/v1/images", json=body, timeout=60)


# ---- pictures


def test_a_picture_is_that_of_the_command_and_replays(site: str, classed: Path, tmp_path: Path) -> None:
    answer = asked(site, n=3, label="7", steps=3, seed=5, format="npz")
    assert answer.status_code == 200
    images = np.load(io.BytesIO(answer.content))["images"]
    drawn = load(classed, device="cpu").sample(3, label="7", steps=3, seed=5, progress=False)
    assert (images == drawn).all()
    (tmp_path / "a.npz").write_bytes(answer.content)
    did("replay", tmp_path / "a.npz", "--run", classed, "--out", tmp_path / "b.npz")


@pytest.mark.parametrize("form", ["png", "gif"])
def test_other_forms_replay_too(site: str, classed: Path, tmp_path: Path, form: str) -> None:
    answer = asked(site, n=2, label="1", steps=4, format=form)
    (tmp_path / f"a.{form}").write_bytes(answer.content)
    assert answer.headers["content-type"] == f"image/{form}"
    did("replay", tmp_path / f"a.{form}", "--run", classed, "--out", tmp_path / f"b.{form}")


def test_a_walk_ends_on_the_pictures_and_says_how_to_draw_them(site: str, classed: Path, tmp_path: Path) -> None:
    events = list(walked(site, n=2, label="3", steps=4, solver="dpmpp2m", eta=0.5, seed=9))
    assert [what for what, _ in events if what != "queued"] == ["begun", *["frame"] * 5, "done"]
    begun, last = events[0][1], events[-2][1]
    assert len(begun["plan"]) == 5
    assert len(begun["coefficients"]) == 4
    images = np.frombuffer(base64.b64decode(last["x"]), np.uint8).reshape(2, *begun["shape"][1:], 1)
    command = begun["command"].split()
    out = tmp_path / "a.npz"
    did("sample", classed, *command[3:], "--out", out, "--device", "cpu")
    assert (np.load(out)["images"] == images).all()
    place: dict[str, Any] = {}
    script = begun["python"].replace(repr(command[2]), repr(str(classed))).replace("'samples.png'", repr(str(out)))
    exec(script, place)
    assert (np.load(out)["images"] == images).all()


def test_models_and_pages_are_described(site: str) -> None:
    found = requests.get(f"{site}/v1/models", timeout=10).json()["models"][0]
    assert found["name"] == "by-class"
    assert found["classes"] == [str(i) for i in range(10)]
    assert len(found["curve"]) > 50
    assert "/v1/images" in requests.get(f"{site}/openapi.json", timeout=10).json()["paths"]
    page = requests.get(site, timeout=10)
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    text = requests.get(f"{site}/metrics", timeout=10).text
    assert "# TYPE inkwash_images_total counter" in text


def test_theory_is_told_where_the_spread_of_the_data_is_known(site: str) -> None:
    assert 0 < requests.post(f"{site}/v1/theory", json={"steps": 5}, timeout=10).json()["spread"] < 2
    boxed = open_model(models.find("mnist-class"), device="cpu")
    spread = []
    for steps in (5, 50):
        sampling = Sampling(steps=steps)
        spread.append(theory(boxed, sampling, build.plan(sampling, boxed.schedule))["spread"])
    assert spread[0] < spread[1] < 1  # few steps of ddim draw too narrow


def test_no_theory_where_the_images_would_have_to_be_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxed = open_model(models.find("mnist-class"), device="cpu")
    without = replace(boxed, facts={**boxed.facts, "box": {}}, digest="another")
    monkeypatch.setenv("INKWASH_DATA", str(tmp_path))
    sampling = Sampling(steps=5)
    assert theory(without, sampling, build.plan(sampling, boxed.schedule))["spread"] is None


def test_a_checkpoint_is_opened_when_it_has_changed(classed: Path, tmp_path: Path) -> None:
    watch = Watched(tmp_path / "live", "last", "cpu")
    assert watch.changed() is None
    shutil.copytree(classed, tmp_path / "live")
    first = watch.changed()
    assert first is not None
    assert watch.changed() is None
    os.utime(tmp_path / "live" / "last.safetensors", ns=(1, 1))
    second = watch.changed()
    assert second is not None
    assert second.digest == first.digest


@pytest.mark.slow
def test_a_training_that_saves_again_is_drawn_from_anew(tmp_path: Path) -> None:
    def train(steps: int) -> None:
        resumed = ("--resume",) if steps > 2 else ()
        did("train", "digits", *TINY, "--steps", steps, "--out", tmp_path / "live", *resumed)

    train(2)
    with serving(tmp_path / "live") as (at, _):
        first = requests.get(f"{at}/v1/trainings/live", timeout=10).json()
        before = asked(at, n=1, steps=2, format="npz").content
        train(4)
        second = requests.get(f"{at}/v1/trainings/live", timeout=30).json()
        after = asked(at, n=1, steps=2, format="npz").content
        assert (first["saved"]["step"], second["saved"]["step"]) == (2, 4)
        assert not second["running"]
        assert second["reports"][-1]["step"] == 4
        assert before != after
        assert requests.get(f"{at}/v1/trainings/other", timeout=10).status_code == 404


# ---- refusals

BAD: list[Any] = [
    None, [], "x", 3, {"n": 0}, {"n": 65}, {"n": 1.5}, {"n": "3"}, {"n": True}, {"steps": 0}, {"steps": 251},
    {"steps": 10**30}, {"seed": -1}, {"seed": 2**64}, {"eta": 2}, {"eta": "a"}, {"eta": 0.5, "solver": "heun"},
    {"solver": "mine.py:Solver"}, {"spacing": "os:system"}, {"limit": "a.py:B"}, {"solver": "<script>"},
    {"label": "eleven"}, {"label": "<script>alert(1)</script>"}, {"label": "../../etc/passwd"}, {"label": 7},
    {"label": "x" * 501}, {"label": "\ud800"}, {"label": "\x00\x1b[31m"}, {"text": "a seven"}, {"model": "/etc"},
    {"model": "../by-class"}, {"scale": -1}, {"scale": 1e300}, {"interval": [3, 1]}, {"interval": [1]},
    {"rescale": 0.5, "scale": 1, "label": "7"}, {"format": "exe"}, {"guide": "/tmp"}, {"engine": "onnx"},
    {"unknown": 1}, {"variance": "large", "solver": "heun"}, {"solver": "heun", "spacing": "trailing", "steps": 5},
    {"n": 64, "steps": 250, "x": 1}, {"model": 5}, {"format": None}, {"rescale": 2, "label": "1"},
]  # fmt: skip


def test_malformed_requests_are_refused_with_a_sentence(site: str) -> None:
    for body in BAD:
        answer = requests.post(f"{site}/v1/images", json=body, timeout=60)
        assert answer.status_code == 422, (body, answer.text)
        assert answer.headers["content-type"] == "application/json"
        detail = answer.json()["detail"]
        assert isinstance(detail, str)
        assert detail.isprintable()
        assert "Traceback" not in detail


def test_a_turn_is_refused_where_it_does_not_fit(site: str) -> None:
    base = {"n": 1, "label": "1", "steps": 4, "solver": "ddim"}
    for turn in ({}, {"step": 0, "solver": "ddim"}, {"step": 4, "solver": "ddim"}, {"step": 1, "solver": "x.py:S"},
                 {"step": 1, "solver": "heun", "eta": 0.5}, {"step": 1, "solver": "ddim", "scale": -1}, 3):  # fmt: skip
        answer = requests.post(f"{site}/v1/walks", json={**base, "turn": turn}, timeout=10)
        assert answer.status_code == 422, turn
    events = [what for what, _ in walked(site, **base, turn={"step": 2, "solver": "heun"})]
    assert events[-1] == "done"


def test_bytes_that_are_no_json_are_refused(site: str) -> None:
    deep = b"[" * 100_000
    for body in (b"", b"{", b"\xff\xfe", b'{"n": NaN}', b'{"n": 1e999}', b'{"seed": ' + b"9" * 5000 + b"}", deep):
        answer = requests.post(f"{site}/v1/walks", data=body, headers={"content-type": "application/json"}, timeout=60)
        assert answer.status_code in (400, 422), (body[:20], answer.text)
        assert isinstance(answer.json()["detail"], str)


def mutated(site: str, count: int, seed: int) -> None:
    """Sends requests that are wrong in one field, and half of them in one byte too."""
    chance = random.Random(seed)
    good = {"n": 1, "label": "7", "steps": 1, "eta": 0.0, "solver": "ddim", "scale": 1.0, "seed": 3, "format": "npz"}
    values = [None, -1, 0, 1, 2**70, 0.5, "", "all", "ddim", [], {}, True, "NaN", "\u202e", "clip", "<img src=x>"]
    for _ in range(count):
        body = {**good, chance.choice([*good, "spacing", "limit", "label", "turn", "model"]): chance.choice(values)}
        text = bytearray(json.dumps(body).encode())
        if chance.random() < 0.5:
            text[chance.randrange(len(text))] = chance.randrange(256)
        path = chance.choice(["images", "walks", "theory", "restorations"])
        answer = requests.post(
            f"{site}/v1/{path}", data=bytes(text), headers={"content-type": "application/json"}, timeout=60
        )
        assert answer.status_code in (200, 400, 422), (text, answer.text)
        assert "Traceback" not in answer.text


def test_random_mutations_never_break_the_server(site: str) -> None:
    mutated(site, 30, 0)


@pytest.mark.slow
def test_many_random_mutations_never_break_the_server(site: str) -> None:
    mutated(site, 1000, 1)
    assert requests.get(f"{site}/health", timeout=10).status_code == 200


def test_no_file_of_the_disk_can_be_named(site: str) -> None:
    for path in ("/page/../app.py", "/page/%2e%2e%2fapp.py", "/page/..%5capp.py", "/page//etc/passwd", "/etc/passwd",
                 "/page/index.html/", "/v1/trainings/..%2f..", "/v1/trainings/%00"):  # fmt: skip
        url = f"{site}{path}"
        prepared = requests.Request("GET", url).prepare()
        prepared.url = url
        answer = requests.Session().send(prepared, timeout=10, allow_redirects=False)
        assert answer.status_code in (307, 404), path
        assert "root:" not in answer.text


def test_a_body_that_is_too_long_is_refused_whatever_it_says(site: str) -> None:
    assert requests.post(f"{site}/v1/images", data=b"x" * 1_000_001, timeout=10).status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    assert requests.post(f"{site}/v1/images", data=parts(), timeout=10).status_code == 413


def test_other_sites_cannot_use_it(site: str) -> None:
    assert requests.get(f"{site}/v1/models", headers={"origin": "http://evil.example"}, timeout=10).status_code == 403
    assert requests.get(f"{site}/v1/models", headers={"host": "evil.example"}, timeout=10).status_code == 403


def test_a_token_is_wanted_where_there_is_one(classed: Path) -> None:
    token = "a-token-of-16-or-more"
    with serving(classed, token=token) as (at, _):
        for given in (None, "", "Bearer ", "Bearer wrong", token, f"Basic {token}", "Bearer \u00e9"):
            headers = {} if given is None else {"authorization": given.encode("latin-1")}
            answer = requests.get(f"{at}/v1/models", headers=headers, timeout=10)
            assert answer.status_code == 401, given
        right = {"authorization": f"Bearer {token}"}
        assert requests.get(f"{at}/v1/models", headers=right, timeout=10).status_code == 200
        assert requests.get(at, timeout=10).status_code == 200
        assert requests.get(f"{at}/metrics", timeout=10).status_code == 401
        assert requests.get(f"{at}/health", timeout=10).status_code == 200


def test_the_command_refuses_others_without_a_token(classed: Path) -> None:
    assert "wants a token" in inkwash("play", classed, "--host", "0.0.0.0").sentence
    assert "16 or more" in inkwash("play", classed, "--token", "short").sentence
    assert "cannot be listened at" in inkwash("play", classed, "--port", 99999).sentence
    assert "no checkpoint" in inkwash("play", classed / "none", "--port", 0).sentence


# ---- the queue


def test_a_full_queue_refuses_with_the_time_and_serves_the_rest(classed: Path) -> None:
    body = {"n": 16, "label": "all", "steps": 20, "scale": 2}
    with serving(classed, limits=Limits(queue=2, slots=1)) as (at, served):
        answers: list[requests.Response] = []
        threads = [threading.Thread(target=lambda: answers.append(asked(at, **body))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        codes = sorted(answer.status_code for answer in answers)
        assert set(codes) == {200, 429}
        assert codes.count(200) >= 3
        assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 429)
        assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
        assert served.engine.outcomes["refused"] == codes.count(429)


def test_places_are_told_and_who_leaves_is_forgotten(classed: Path) -> None:
    with serving(classed, limits=Limits(slots=1)) as (at, served):
        long = walked(at, n=16, label="all", steps=250, scale=2)
        assert next(long)[0] == "begun"
        second = walked(at, n=1, label="1", steps=2)
        assert next(second)[0] == "begun"
        what, about = next(second)
        assert (what, about["place"]) == ("queued", 1)
        assert about["seconds"] > 0
        long.close()  # the client goes, and the second begins
        assert [what for what, _ in second][-1] == "done"
        ended = time.monotonic() + 10
        while served.engine.state()["active"] and time.monotonic() < ended:  # "done" is told before it is counted
            time.sleep(0.01)
        outcomes = served.engine.state()["outcomes"]
        assert (outcomes["cancelled"], outcomes["done"]) == (1, 1)


def test_a_request_that_takes_too_long_is_told(classed: Path) -> None:
    with serving(classed, limits=Limits(seconds=0.0)) as (at, _):
        what, about = list(walked(at, n=1, label="1", steps=50))[-1]
        assert what == "error"
        assert "longer than" in about["detail"]
