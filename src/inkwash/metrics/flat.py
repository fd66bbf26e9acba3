"""Images that are one colour everywhere: a share that no distance shows, and that clamping may cause."""

from torch import Tensor

RANGE = 4  # of 255: the largest difference within a channel of a flat image
MANY = 0.2  # share of flat images above which a sentence is due


def flat_share(images: Tensor) -> float:
    """The share of the images uint8 [N,C,H,W] in which no channel varies by more than RANGE, in [0, 1].

    It is 0 without images, and for images of one pixel, which cannot vary.
    """
    if not len(images) or images.shape[2] * images.shape[3] == 1:
        return 0.0
    low, high = images.flatten(2).aminmax(dim=2)
    return float(((high - low).amax(1) <= RANGE).double().mean())


def flat_note(share: float, real: float | None = None) -> str | None:
    """A sentence about a share of flat images that is large, or None.

    `real` is the share among real images; a share that is no more than MANY above it is as it should be.
    """
    if share <= MANY + (real or 0.0):
        return None
    among = "" if real is None else f", {real:.0%} of real ones"
    return f"warning: {share:.0%} of the images drawn are one colour everywhere{among}."
