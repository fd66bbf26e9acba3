"""A drawing that was asked for wrongly gets one sentence and exit code 2, and writes nothing."""

from pathlib import Path

import pytest

from inkwash.cli import main


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--eta", 2), "--eta should be less than or equal to 1"),
        (("--solver", "heun", "--eta", 1), "has no η"),
        (("--solver", "heun", "--spacing", "trailing"), "karras"),
        (("--solver", "heun", "--variance", "large"), "heun leaves no choice of --variance"),
        (("--out", "a.jpg"), ".jpg"),
        (("--out", "missing.txt/"), "missing.txt"),
        (("--steps", 0), "--steps"),
        (("--batch-size", 0), "--batch-size"),
        (("-n", 0), "--n"),
    ],
)
def test_sampling_asked_wrongly(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple,
    word: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "missing.txt").write_text("a file")
    with pytest.raises(SystemExit) as ended:
        main(["sample", str(run), *map(str, args)])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert word in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["missing.txt"]
