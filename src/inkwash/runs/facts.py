"""The types and ranges of the facts that a checkpoint states about its run, checked before anything is built.

A file may come from anywhere. Each fact is bounded, so that nothing that is made of it can take all memory.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from inkwash.checked import Natural
from inkwash.settings import RunSettings

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Name = Annotated[str, Field(max_length=4096)]
_Steps = Annotated[int, Field(ge=0, lt=2**31)]
_Losses = Annotated[list[tuple[_Steps, _Finite]], Field(max_length=2**24)]
_Side = Annotated[int, Field(ge=1, le=16384)]
_Classes = Annotated[list[_Name], Field(max_length=2**20)]


class _Images(BaseModel):
    """The facts about the training images; those of earlier versions have none."""

    notes: Annotated[list[Annotated[str, Field(max_length=2**16)]], Field(max_length=1000)] = []
    classes: Annotated[list[Natural], Field(max_length=2**20)] = []  # images of each class
    place: _Name | None = None


class _Begun(BaseModel):
    """The run whose weights a run began with."""

    run: _Name
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    step: _Steps


class _Facts(BaseModel):
    model_config = ConfigDict(strict=True)

    format: int
    version: Annotated[str, Field(max_length=100)]
    run: dict[str, Any]
    shape: tuple[Annotated[int, Field(ge=1, le=4096)], _Side, _Side]
    classes: _Classes
    images: Natural
    fingerprint: _Name
    precision: Literal["float32", "bfloat16"]
    data_dir: _Name | None
    images_seen: Natural
    step: _Steps
    steps: _Steps
    seconds: Annotated[float, Field(ge=0, lt=1e11, allow_inf_nan=False)]
    history: _Losses
    held_out: _Losses
    best: _Finite | None
    data: _Images = _Images()
    encoder: _Name | None = None
    code: dict[_Name, _Name] = {}
    begun_from: _Begun | None = None

    @model_validator(mode="after")
    def _each_class_is_counted(self) -> "_Facts":
        counts = self.data.classes
        if counts and (len(counts) != len(self.classes) or not any(counts)):
            raise ValueError(
                f"data.classes counts images of {len(counts)} classes, where {len(self.classes)} have names"
            )
        return self


def run_of(facts: dict[str, Any]) -> RunSettings:
    """The settings in a checkpoint's facts, all of which are checked. Raises ValueError, naming the first bad one."""
    try:
        _Facts.model_validate_json(_JSON.dump_json(facts))
        return _RUN.validate_python(facts["run"])
    except ValidationError as error:
        found = error.errors()
        missing = [str(each["loc"][0]) for each in found if each["type"] == "missing" and len(each["loc"]) == 1]
        wrong = ": ".join(filter(None, (".".join(map(str, found[0]["loc"])), found[0]["msg"])))
        raise ValueError(f"without {', '.join(missing)}" if missing else wrong) from error


_JSON = TypeAdapter(dict[str, Any])
_RUN = TypeAdapter(RunSettings)
