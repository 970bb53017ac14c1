"""Layers over a frame: drawn one after the other, their shadows, and the outlines left of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from hand_detection.sample.solids import Light


@dataclass
class Layer:
    """Something drawn over a frame: `x`, `y` its place, float32 arrays of (h, w)."""

    x: int
    y: int
    colour: np.ndarray  # (h, w, 3), 0 to 255
    alpha: np.ndarray  # 0 to 1
    hand: np.ndarray | None = None  # 0 to 1: the part that is hand, before later layers
    name: str = ""  # of the hand: one of HANDS
    depth: float = 0.0  # for the shadow: height above the table in pixels

    @property
    def place(self) -> tuple[int, int, int, int]:
        """x, y, width, height."""
        return self.x, self.y, self.alpha.shape[1], self.alpha.shape[0]

    @property
    def foot(self) -> int:
        """The y of its lower edge: how near to the viewer a standing thing is."""
        return self.y + self.alpha.shape[0]

    def moved(self, dx: float, dy: float) -> Layer:
        """The same, `dx`, `dy` pixels (rounded) further."""
        return replace(self, x=self.x + round(dx), y=self.y + round(dy))


def _overlap(
    first: tuple[int, int, int, int], second: tuple[int, int, int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where two (x, y, width, height) boxes meet: rows and columns of the first, the second."""
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right = max(left, min(first[0] + first[2], second[0] + second[2]))
    bottom = max(top, min(first[1] + first[3], second[1] + second[3]))
    return (
        np.s_[top - first[1] : bottom - first[1], left - first[0] : right - first[0]],
        np.s_[top - second[1] : bottom - second[1], left - second[0] : right - second[0]],
    )


def compose(frame: np.ndarray, layer: Layer) -> None:
    """Draw a layer over `frame`, (H, W, 3) uint8, in place."""
    here, there = _overlap((0, 0, *frame.shape[1::-1]), layer.place)
    below = frame[here].astype(np.float32)
    below += layer.alpha[there][..., None] * (layer.colour[there] - below)
    frame[here] = np.rint(below)


def cast_shadow(frame: np.ndarray, layer: Layer, light: Light, reach: float) -> None:
    """Darken `frame` where `layer`, `reach` pixels above it, keeps the light away; in place."""
    if reach < 1:
        return
    pad = math.ceil(reach * 1.5)
    small = 0.25
    alpha = cv2.copyMakeBorder(layer.alpha, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    reduced = cv2.resize(alpha, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
    reduced = cv2.GaussianBlur(reduced, (0, 0), max(reach * 0.35 * small, 0.6))
    soft = cv2.resize(reduced, (alpha.shape[1], alpha.shape[0]))
    x = layer.x - pad - round(light.direction[0] * reach)
    y = layer.y - pad - round(light.direction[1] * reach)
    here, there = _overlap((0, 0, *frame.shape[1::-1]), (x, y, *soft.shape[::-1]))
    part = frame[here].astype(np.float32)
    part *= 1 - light.shadow * soft[there][..., None]
    frame[here] = part


def outline(mask: np.ndarray, x: int, y: int) -> np.ndarray | None:
    """The outline of `mask`, (h, w) float 0 to 1, whose corner pixel is x, y.

    Pieces that something in front has cut apart are joined by a line without width, as one
    hand has one polygon; specks are left out. Returns (M, 2) float64, x and y in pixels,
    1-based, sub-pixel; None without a piece.
    """
    fine = 4
    rows, columns = np.flatnonzero(mask.max(1) > 0.5), np.flatnonzero(mask.max(0) > 0.5)
    if not len(rows):
        return None
    # A margin all round, so that the outline closes also where the mask ends.
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cut = cv2.copyMakeBorder(cut, 2, 2, 2, 2, cv2.BORDER_CONSTANT)
    large = cv2.resize(cut, None, fx=fine, fy=fine, interpolation=cv2.INTER_LINEAR)
    binary = (large > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    least = max(0.12 * max(areas, default=0), 4 * fine * fine)
    pieces = [piece for piece, area in zip(contours, areas, strict=True) if area >= least]
    if not pieces:
        return None
    tolerance = 0.7 * fine
    while True:
        points = _joined([cv2.approxPolyDP(piece, tolerance, True)[:, 0] for piece in pieces])
        if len(points) <= 150:
            break
        tolerance *= 1.3
    if len(points) < 20:
        evenly = [np.linspace(0, len(piece), 24, endpoint=False).astype(int) for piece in pieces]
        points = _joined([piece[at, 0] for piece, at in zip(pieces, evenly, strict=True)])
    points = (points.astype(np.float64) + 0.5) / fine - 0.5
    return points + np.array([x + columns[0] - 1, y + rows[0] - 1])


def _joined(pieces: list[np.ndarray]) -> np.ndarray:
    """One polygon, (M, 2), of several: each is visited from the point nearest to it."""
    whole = pieces[0]
    for piece in pieces[1:]:
        gaps = ((whole[:, None] - piece[None]) ** 2).sum(2)
        here, there = np.unravel_index(gaps.argmin(), gaps.shape)
        visit = np.roll(piece, -there, axis=0)
        whole = np.concatenate([whole[: here + 1], visit, visit[:1], whole[here:]])
    return whole


def visible_hands(layers: Sequence[Layer], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """The polygons of the hands that the frame shows: name -> (M, 2) float64, 1-based.

    `layers`: from the back to the front. `size`: width and height of the frame.
    """
    width, height = size
    polygons = {}
    for index, layer in enumerate(layers):
        if layer.hand is None:
            continue
        mask = layer.hand.copy()
        for over in layers[index + 1 :]:
            here, there = _overlap(layer.place, over.place)
            mask[here] *= 1 - over.alpha[there]
        # As the people who outlined EgoHands: a little beyond the frame, but no further, as
        # a polygon clamped to the frame would else be wider than what the frame shows.
        beyond = max(3, round(width / 160))
        mask[: max(0, -beyond - layer.y)] = 0
        mask[:, : max(0, -beyond - layer.x)] = 0
        mask[max(0, height + beyond - layer.y) :] = 0
        mask[:, max(0, width + beyond - layer.x) :] = 0
        # Too little of a hand is labelled by nobody.
        _, inside = _overlap((0, 0, width, height), layer.place)
        least = 0.0004 * width * height
        if (mask[inside] > 0.5).sum() < least:
            continue
        polygon = outline(mask, layer.x, layer.y)
        if polygon is None:
            continue
        x, y = np.clip(polygon, 1, [width, height]).T
        if np.ptp(x) * np.ptp(y) >= least and min(np.ptp(x), np.ptp(y)) >= 0.008 * width:
            polygons[layer.name] = polygon
    return polygons
