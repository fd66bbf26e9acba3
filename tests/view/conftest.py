import numpy as np
import pytest


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)


@pytest.fixture
def provenance() -> dict:
    """With whatever a form's own syntax might trip over, and longer than a GIF's blocks of 255 bytes."""
    return {
        "recipe": "水墨 η=½; #1 \\ \"quoted\" 'x' = <&> %s\n2nd line\x00",
        "seeds": list(range(300)),
        "path": "\udcff from a file system",
        "nested": {"lr": 1e-4, "none": None, "yes": True},
    }


def moving(channels: int, n: int = 7, height: int = 33, width: int = 47) -> list[np.ndarray]:
    """Frames that differ in every pixel, of odd sizes."""
    rng = np.random.default_rng(channels)
    return list(rng.integers(0, 256, (n, height, width, channels), dtype=np.uint8))


@pytest.fixture
def grey_frames() -> list[np.ndarray]:
    return moving(1)


@pytest.fixture
def colour_frames() -> list[np.ndarray]:
    return moving(3)
