"""The house keeps its plan: who may import whom, read from the source itself."""

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "src" / "inkwash"
MAY = {  # package: what of inkwash it may import, besides itself and errors
    "core": set(),
    "nets": set(),
    "denoise": {"core"},
    "sample": {"core"},
    "data": {"core"},
    "view": {"atomic"},
    "train": {"core", "denoise", "data", "settings", "atomic"},
    "recipes": {"settings"},
    "jobs": {"core", "nets", "denoise", "sample", "train", "data", "view", "settings", "recipes"},
}
TORCH_ALONE = ("core", "nets", "denoise", "sample")
NO_TORCH = ("view", "recipes", "settings.py", "cli.py", "errors.py", "atomic.py", "talk.py")


def imports(path: Path) -> set[str]:
    """The modules that a file imports, with `from inkwash import x` as inkwash.x."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            found |= {f"inkwash.{name.name}" for name in node.names} if module == "inkwash" else {module}
    return found


def files(name: str) -> list[Path]:
    place = HOUSE / name
    return sorted(place.glob("**/*.py")) if place.is_dir() else [place]


@pytest.mark.parametrize("package", MAY)
def test_who_imports_whom(package: str) -> None:
    for path in files(package):
        inner = {module.split(".")[1] for module in imports(path) if module.startswith("inkwash.")}
        extra = inner - MAY[package] - {package, "errors", "__version__"}
        assert not extra, f"{path.relative_to(HOUSE)} imports {extra}"


@pytest.mark.parametrize("package", TORCH_ALONE)
def test_the_mathematics_imports_torch_alone(package: str) -> None:
    standard = {"collections", "dataclasses", "fractions", "itertools", "math", "typing"}
    for path in files(package):
        outer = {module.split(".")[0] for module in imports(path)} - {"inkwash", "torch"}
        assert outer <= standard, f"{path.relative_to(HOUSE)} imports {outer - standard}"


@pytest.mark.parametrize("name", NO_TORCH)
def test_no_torch_before_it_is_needed(name: str) -> None:
    for path in files(name):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:  # the top level alone
            if isinstance(statement, ast.Import):
                assert not any(alias.name.split(".")[0] == "torch" for alias in statement.names), path
            elif isinstance(statement, ast.ImportFrom):
                assert (statement.module or "").split(".")[0] != "torch", path


def test_files_are_short_and_every_package_is_in_the_plan() -> None:
    packages = {path.name for path in HOUSE.iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert packages == set(MAY)
    for path in HOUSE.glob("**/*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path


def test_the_core_reads_in_one_sitting() -> None:
    sitting = [*(HOUSE / "core").glob("*.py"), *(HOUSE / "sample" / name for name in ("loop.py", "ddim.py"))]
    sitting.append(HOUSE / "train" / "objective.py")
    lines = [line for path in sitting for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 660, len(lines)
