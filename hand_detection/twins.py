"""Near twins: frames that look nearly the same, found by a perceptual hash.

A frame of the validation split with a near twin in the training split tells whether the
detector remembers, not whether it generalizes.

The hash is the difference hash (Neal Krawetz, "Kind of Like That", 2013): the picture is
reduced to 9 x 8 grey pixels, and each of 64 bits says whether a pixel is brighter than the
one to its left. Copies that were scaled, recompressed or slightly changed in brightness
differ in a few bits, other pictures in about 32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

BITS = 6  # of the 64 in which near twins differ at most
SIDE = 32  # pixels that a picture must have for its hash not to be made of enlarged ones


def difference_hash(picture: Image.Image) -> int:
    """The 64-bit hash of a picture."""
    small = picture.convert("L").resize((9, 8), Image.Resampling.BILINEAR, reducing_gap=2.0)
    grey = np.asarray(small, np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def count(frames: Sequence[int], among: Sequence[int], bits: int = BITS) -> int:
    """How many of `frames` have a near twin `among` others; both are hashes.

    Takes len(frames) * len(among) comparisons, about a nanosecond each, and memory for
    `among` alone.
    """
    others = np.array(among, np.uint64)
    if not len(others):
        return 0
    return sum(int(np.bitwise_count(others ^ np.uint64(frame)).min()) <= bits for frame in frames)
