"""`inkwash export --html`: its samplers are inkwash's, the file is whole, and what it cannot be is refused."""

import base64
import functools
import gzip
import hashlib
import http.server
import io
import json
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cli_runner import did, refused
from inkwash import choices
from inkwash.core import Cosine, Level, Seeded, as_floats, prior, trailing
from inkwash.core.philox import philox
from inkwash.denoise import clip, dynamic_threshold, guide
from inkwash.errors import InkwashError, UsageError
from inkwash.inverse import Measurement
from inkwash.inverse.method import Walk
from inkwash.inverse.methods.repaint import RePaint
from inkwash.inverse.methods.replacement import Replacement
from inkwash.inverse.operators.mask import Mask
from inkwash.play import onefile
from inkwash.play import runtime as runtimes
from inkwash.play.runtime import Runtime
from inkwash.sample import DDIM, sample

SINGLE = Path(onefile.__file__).parent / "single"
SIZE, SHAPE, STEPS = 12, (1, 3, 4), 12
NODE = pytest.mark.skipif(shutil.which("node") is None, reason="needs node: apt-get install nodejs")

# each case: eta, large, scale, interval, limit, how many passes RePaint makes (0: no hole)
CASES = [
    (0.0, 0.0, 1.0, None, "none", 0),
    (0.4, 0.0, 3.0, (0.2, 2.0), "clip", 0),
    (1.0, 1.0, 2.0, None, "dynamic", 0),
    (1.0, 0.0, 0.0, None, "clip", 0),
    (0.0, 0.0, 1.0, None, "none", 1),
    (0.5, 0.0, 2.0, None, "clip", 1),
    (0.3, 0.0, 1.0, None, "clip", 3),
]

DRIVER = """
import * as all from %s;
import { readFileSync } from "node:fs";
const { plan, start, cases, mask, y, seed, size } = JSON.parse(readFileSync(0, "utf8"));
// x̂₀ for Gaussian data of variance 0.3 about 0.5 (told) or -0.2
const net = async (x, { alpha, sigma }, present) => {
  const mean = present ? 0.5 : -0.2, gain = (0.3 * alpha) / (0.3 * alpha * alpha + sigma * sigma);
  return x.map((value) => mean + gain * (value - alpha * mean));
};
const walks = [];
for (const [eta, large, scale, interval, limit, passes] of cases) {
  const denoise = all.denoiser(net, { label: 1, scale, interval, limit });
  const known = passes ? { mask, y: Float32Array.from(y) } : null, out = [];
  const path = passes ? all.travel(plan, 10, passes - 1) : plan, noise = all.seeded(seed, 3, size);
  for await (const { x } of all.walk(denoise, path, noise, { eta, large, start, known })) out.push(Array.from(x));
  walks.push(out);
}
console.log(JSON.stringify({
  walks, limits: Object.keys(all.LIMITS),
  words: all.philox([4294967295, 123456789, 3, 7], [0xdeadbeef, 0xfedcba98]),
  noise: Array.from(all.unitNormal(2 ** 40 + 5, 3, 2, 11)),
}));
"""


def gaussian(mean: float) -> Any:
    def denoise(x: Tensor, level: Level) -> Tensor:
        alpha, sigma, _ = as_floats(level)
        return mean + 0.3 * alpha / (0.3 * alpha**2 + sigma**2) * (x - alpha * mean)

    return denoise


@pytest.fixture(scope="module")
def by_node() -> dict[str, Any]:
    """What the page's samplers make of all cases."""
    plan = trailing(Cosine(), STEPS)
    levels = [dict(zip(("t", "alpha", "sigma"), map(float, level), strict=True)) for level in plan[:-1]]
    levels.append({"t": 0.0, "alpha": 1.0, "sigma": 0.0})
    told = {
        "plan": levels, "start": 1.0, "cases": CASES, "seed": 9, "size": SIZE,
        "mask": [int(i < 4) for i in range(SIZE)], "y": [0.1 * i - 0.5 for i in range(SIZE)],
    }  # fmt: skip
    driver = DRIVER % json.dumps(str(SINGLE / "sampler.js"))
    node = ["node", "--input-type=module", "-e", driver]
    done = subprocess.run(node, input=json.dumps(told), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@NODE
def test_the_noise_is_that_of_inkwash(by_node: dict[str, Any]) -> None:
    counter = tuple(torch.tensor([word]) for word in (4294967295, 123456789, 3, 7))
    assert by_node["words"] == [int(word) for word in philox(counter, 0xFEDCBA98_DEADBEEF)]  # type: ignore[arg-type]
    noise, like = Seeded(2**40 + 5, [3]), torch.empty(1, 1, 1, 11)
    for _ in range(3):
        z = noise(like)
    assert np.abs(z.numpy().ravel() - by_node["noise"]).max() < 1e-6


@NODE
@pytest.mark.parametrize("i", range(len(CASES)), ids=lambda i: "-".join(map(str, CASES[i])))
def test_the_walks_are_those_of_inkwash(by_node: dict[str, Any], i: int) -> None:
    """DDIM, DDPM and what is between, guidance, limits, replacement and RePaint: every x of the walk."""
    eta, large, scale, interval, limit, passes = CASES[i]
    denoise = guide(gaussian(0.5), gaussian(-0.2), scale, *([interval] if interval else []))
    denoise = {"none": lambda it: it, "clip": clip, "dynamic": dynamic_threshold}[limit](denoise)
    walk = Walk(denoise, trailing(Cosine(), STEPS), DDIM(eta, large))
    if passes:
        seen = torch.tensor([0.1 * i - 0.5 for i in range(SIZE)]).view(1, *SHAPE)
        mask = Mask(SHAPE, "half")
        method = RePaint(f"{passes}:10") if passes > 1 else Replacement()
        walk = method(walk, Measurement(mask, mask.forward(seen), 0.0), Cosine())
    noise = Seeded(9, [3])
    x = prior(noise, walk.plan[0], torch.empty(1, *SHAPE))
    expected = torch.stack([moment.x.flatten() for moment in sample(walk.denoise, x, walk.plan, walk.solver, noise)])
    found = np.array(by_node["walks"][i])
    assert found.shape == tuple(expected.shape)
    assert np.abs(found - expected.numpy()).max() < 2e-6 * max(1.0, float(expected.abs().max()))
    assert expected.std() > 0.1


@NODE
def test_every_limit_of_inkwash_is_in_the_page(by_node: dict[str, Any]) -> None:
    assert set(by_node["limits"]) == set(choices.LIMITS.names) == set(onefile.LIMITS)


@NODE
def test_the_joined_modules_are_one_module(tmp_path: Path) -> None:
    file = tmp_path / "joined.mjs"
    file.write_text(onefile.joined(), encoding="utf-8")
    done = subprocess.run(["node", "--check", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^(import|export) ", file.read_text(encoding="utf-8"), re.MULTILINE)


def test_both_languages_have_every_sentence() -> None:
    pair = re.compile(r'(?:^|[\s,{])"?([\w-]+)"?: "((?:[^"\\]|\\.)*)"')
    words: list[dict[str, str]] = [{}, {}]
    for file in (SINGLE.parent / "page" / "words.js", SINGLE / "more.js"):
        parts = re.split(r"const (?:MORE_)?ZH", file.read_text(encoding="utf-8"))
        for known, part in zip(words, parts, strict=True):
            known |= dict(pair.findall(part.split("\n};")[0]))
    assert words[0].keys() == words[1].keys()
    for key, sentence in words[0].items():
        assert set(re.findall(r"\{\w+\}", sentence)) == set(re.findall(r"\{\w+\}", words[1][key])), key
    texts = [file.read_text(encoding="utf-8") for file in SINGLE.glob("*.js")]
    asked = {key for text in texts for key in re.findall(r'\bsay\([^()]*?"([\w-]+)"', text)}
    asked |= set(re.findall(r'data-t(?:-label)?="([\w-]+)"', (SINGLE / "page.html").read_text(encoding="utf-8")))
    assert len(asked) > 30
    assert asked <= words[0].keys()
    more = set(re.findall(r'[\s{](\w+): "', (SINGLE / "more.js").read_text(encoding="utf-8")))
    used = "\n".join([*texts, (SINGLE / "page.html").read_text(encoding="utf-8")])
    assert [key for key in more if f'"{key}"' not in used] == []


def content(text: str, name: str) -> str:
    (found,) = re.findall(rf'<script [^>]*id="{name}">(.*?)</script>', text, flags=re.DOTALL)
    return found  # type: ignore[no-any-return]


def test_the_page_holds_what_it_is_made_of_and_nothing_from_elsewhere() -> None:
    hostile = "</script><script>alert(1)</script><!-- {{code}}"
    needed = Runtime("/* </script> */ var ort = {};", "export default 1;", bytes(range(256)) * 9)
    text = onefile.page({"classes": [hostile]}, b"network", needed)
    assert json.loads(content(text, "manifest")) == {"classes": [hostile]}
    for name, expected in (("weights", b"network"), ("program", needed.program), ("glue", b"export default 1;")):
        assert gzip.decompress(base64.b64decode(content(text, name))) == expected
    assert text.count("</script>") == 6
    assert text == onefile.page({"classes": [hostile]}, b"network", needed)  # the same bytes again
    own = text.replace(content(text, "manifest"), "")
    assert "{{" not in own.replace("{{code}}", "")
    assert set(re.findall(r"https?://[^\s\"'`<)]+", own)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|\bfetch\(|XMLHttp", own)
    assert "default-src 'none'" in own


def package(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, data in files.items():
            about = tarfile.TarInfo(f"package/dist/{name}")
            about.size = len(data)
            packed.addfile(about, io.BytesIO(data))
    return out.getvalue()


GLUE = b'var a=(new URL("ort-wasm-simd-threaded.wasm",import.meta.url)).href;\n//# sourceMappingURL=glue.map\n'
SMALL = package(
    {"ort.wasm.min.js": b"var ort;\n", "ort-wasm-simd-threaded.mjs": GLUE, "ort-wasm-simd-threaded.wasm": b"\0asm"}
)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A registry on this machine that has a small package; the paths it was asked for."""
    folder, asked = tmp_path / "registry", []
    folder.mkdir()
    (folder / runtimes.NAME).write_bytes(SMALL)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(runtimes, "MIRRORS", (f"http://127.0.0.1:{server.server_port}/",))
    monkeypatch.setattr(runtimes, "SHA256", hashlib.sha256(SMALL).hexdigest())
    monkeypatch.setenv("INKWASH_DATA", str(tmp_path / "data"))
    yield asked
    server.shutdown()
    server.server_close()


def test_the_runtime_is_downloaded_once_and_checked(
    registry: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        found = runtimes.runtime()
        assert found == Runtime("var ort;\n", 'var a=({href:"program.wasm"}).href;\n', b"\0asm")
    assert registry == [f"/{runtimes.NAME}"]
    kept = tmp_path / "data" / "onnxruntime-web" / runtimes.NAME
    assert kept.read_bytes() == SMALL
    assert runtimes.runtime(kept) == found
    kept.write_bytes(SMALL[:-1])
    with pytest.raises(InkwashError, match="is damaged"):
        runtimes.runtime()
    with pytest.raises(UsageError, match="must be onnxruntime-web"):
        runtimes.runtime(kept)
    with pytest.raises(UsageError, match="cannot be read"):
        runtimes.runtime(tmp_path / "none.tgz")
    kept.unlink()
    monkeypatch.setattr(runtimes, "SHA256", "0" * 64)
    with pytest.raises(InkwashError, match="the checksum is wrong"):
        runtimes.runtime()
    assert not kept.exists()


def test_what_a_page_cannot_be_is_refused_before_any_work(
    classed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onefile, "graph", lambda *_: pytest.fail("work was done"))
    monkeypatch.setattr(runtimes, "find_or_fetch", lambda *_, **__: pytest.fail("something was fetched"))
    page, there, wrong = tmp_path / "page.html", tmp_path / "there.html", tmp_path / "wrong.tgz"
    there.write_text("mine")
    wrong.write_bytes(SMALL)
    assert "a name ending in .html" in refused("export", classed, "--html", tmp_path / "page.pdf")
    assert "is there already" in refused("export", classed, "--html", there)
    assert there.read_text() == "mine"
    assert "add --solver ddim" in refused("export", classed, "--html", page, "--solver", "heun")
    assert "give the file onnxruntime-web-1.20.1.tgz" in refused(
        "export", classed, "--html", page, "--runtime", tmp_path / "none.tgz"
    )
    assert "whose sha256 is another" in refused("export", classed, "--html", page, "--runtime", wrong)
    assert "--runtime is for --html" in refused("export", classed, "--onnx", tmp_path / "a.onnx", "--runtime", wrong)
    assert "give one of --onnx FILE.onnx, --html" in refused(
        "export", classed, "--html", page, "--onnx", tmp_path / "a.onnx"
    )
    assert sorted(tmp_path.iterdir()) == [there, wrong]


def test_the_manifest_of_a_run(classed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onefile, "runtime", lambda given: Runtime("var ort;", "", b""))
    monkeypatch.setattr(onefile, "_smallest", lambda *_: (b"network", "float16", 1e-6))
    page = tmp_path / "page.html"
    done = did("export", classed, "--html", page, "--steps", 3, "--eta", 0.5, "--scale", 1.5)
    assert "weights in float16" in done.err
    assert "differ from the run's by at most 1.0e-06" in done.err
    text = page.read_text(encoding="utf-8")
    about = json.loads(content(text, "manifest"))
    assert about["sha256"] == hashlib.sha256(b"network").hexdigest()
    assert (about["name"], about["steps"], about["eta"], about["scale"]) == ("by-class", 3, 0.5, 1.5)
    assert about["classes"] == [str(i) for i in range(10)]
    assert [int(steps) for steps in about["plans"]] == sorted({3, *onefile.STEPS})
    assert all(len(plan) == int(steps) for steps, plan in about["plans"].items())
    assert about["inputs"]["x"]["shape"] == [1, *about["shape"]]
    assert str(tmp_path) not in text


def test_weights_that_float16_would_change_stay_float32(classed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = iter((3 * onefile.CLOSE, 1e-6))
    monkeypatch.setattr(onefile, "difference", lambda *_: next(apart))

    class Whole:
        def SerializeToString(self) -> bytes:
            return b"whole"

    monkeypatch.setattr(onefile, "graph", lambda *_: Whole())
    monkeypatch.setattr(onefile, "_in_float16", lambda _: b"half")
    assert onefile._smallest(None, [None, None], torch.float32, 1.0) == (b"whole", "float32", 1e-6)  # type: ignore[arg-type, list-item]


def test_large_tensors_are_halved_and_mean_the_same() -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'inkwash[onnx]'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'inkwash[onnx]'")
    rng = np.random.default_rng(0)

    def graph(weights: np.ndarray[Any, Any]) -> Any:
        numbers = [onnx.numpy_helper.from_array(each, name) for name, each in (("w", weights), ("b", weights[0]))]
        kind = onnx.TensorProto.FLOAT
        nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["h"]), onnx.helper.make_node("Add", ["h", "b"], ["y"])]
        ends = [onnx.helper.make_tensor_value_info(name, kind, [1, 32]) for name in "xy"]
        made = onnx.helper.make_graph(nodes, "two", ends[:1], ends[1:], numbers)
        return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)

    weights, x = rng.standard_normal((32, 32), np.float32), rng.standard_normal((1, 32), np.float32)
    halved = onefile._in_float16(graph(weights))
    assert halved is not None
    (y,) = onnxruntime.InferenceSession(halved, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    assert np.abs(y - (x @ weights.astype(np.float16).astype(np.float32) + weights[0])).max() < 1e-5
    assert len(halved) < len(graph(weights).SerializeToString()) * 0.65
    weights[3, 3] = 1e5  # beyond the range of float16
    assert onefile._in_float16(graph(weights)) is None
