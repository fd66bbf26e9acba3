"""Selection of the sampling steps that an animation shows."""

from inkwash.errors import UsageError


def pick(n_moments: int, n_frames: int = 100) -> list[int]:
    """Choose about `n_frames` of `n_moments` moments, evenly spread, the first and the last among them.

    Args:
        n_moments: how many moments there are, at least 1.
        n_frames: how many are wanted, at least 2. Where there are no more moments than this, all are taken.

    Returns:
        Their indices, rising, none twice, min(n_moments, n_frames) of them.

    Raises:
        UsageError: for a number out of range.
    """
    if n_moments < 1 or n_frames < 2:
        raise UsageError(
            f"Frames are picked from at least 1 moment, and at least 2 of them, the first and the last; "
            f"given were n_moments={n_moments}, n_frames={n_frames}."
        )
    if n_moments <= n_frames:
        return list(range(n_moments))
    steps = n_frames - 1
    return [(i * (n_moments - 1) + steps // 2) // steps for i in range(n_frames)]  # rounded, in whole numbers
