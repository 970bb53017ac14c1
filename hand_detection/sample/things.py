"""What is played with: flat things drawn onto a picture, upright ones as layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator

from hand_detection.sample.layers import Layer
from hand_detection.sample.solids import OTHER, Bone, Light, Look, paint, solid

RED, BLACK, WHITE = (44, 36, 190), (36, 32, 30), (240, 243, 245)
OPAQUE = (255,)
_SHIFT = 4  # fractional bits of the points that OpenCV draws


def _fixed(points: Sequence[Sequence[float]]) -> np.ndarray:
    return np.rint(np.asarray(points) * (1 << _SHIFT)).astype(np.int32)


def fill(image: np.ndarray, points: Sequence[Sequence[float]], colour: Sequence[float]) -> None:
    """Fill a polygon, (M, 2), with smooth edges."""
    cv2.fillPoly(image, [_fixed(points)], [float(c) for c in colour], cv2.LINE_AA, _SHIFT)


def line(
    image: np.ndarray, points: Sequence[Sequence[float]], colour: Sequence[float], wide: float
) -> None:
    """Draw an open line through points, (M, 2)."""
    thick = max(1, round(wide))
    values = [float(c) for c in colour]
    cv2.polylines(image, [_fixed(points)], False, values, thick, cv2.LINE_AA, _SHIFT)


def rim(image: np.ndarray, corners: np.ndarray, colour: Sequence[float], wide: float) -> None:
    """Draw the edge of a polygon, (M, 2)."""
    line(image, np.concatenate([corners, corners[:1]]), colour, wide)


def disc(
    image: np.ndarray, centre: Sequence[float], axes: Sequence[float], colour: Sequence[float]
) -> None:
    """Fill an upright ellipse."""
    ring = np.linspace(0, 2 * math.pi, 28, endpoint=False)
    points = np.stack([np.cos(ring) * axes[0], np.sin(ring) * axes[1]], 1) + centre
    fill(image, points, colour)


def rectangle(centre: Sequence[float], wide: float, high: float, degrees: float) -> np.ndarray:
    """The corners, (4, 2), of a turned rectangle, clockwise from the top left."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) / 2
    return corners @ turn + np.asarray(centre)


def draw_card(image: np.ndarray, corners: np.ndarray, rng: Generator, face_up: bool) -> None:
    """Draw a playing card on the quadrilateral `corners`, (4, 2)."""
    unit = float(np.linalg.norm(corners[1] - corners[0]))
    red = rng.random() < 0.5
    pips = int(rng.integers(1, 5))

    def at(u: float, v: float) -> np.ndarray:
        upper = corners[0] + (corners[1] - corners[0]) * u
        lower = corners[3] + (corners[2] - corners[3]) * u
        return upper + (lower - upper) * v

    def patch(u0: float, v0: float, u1: float, v1: float, colour: Sequence[float]) -> None:
        fill(image, [at(u0, v0), at(u1, v0), at(u1, v1), at(u0, v1)], colour)

    fill(image, corners, WHITE)
    rim(image, corners, (150, 150, 152), unit * 0.02)
    if not face_up:
        patch(0.1, 0.07, 0.9, 0.93, (60, 60, 205) if red else (160, 80, 50))
        for step in np.linspace(0.18, 0.82, 5):
            line(image, [at(step, 0.1), at(step, 0.9)], (170, 170, 235), unit * 0.02)
            line(image, [at(0.14, step), at(0.86, step)], (170, 170, 235), unit * 0.02)
        return
    colour = RED if red else BLACK
    patch(0.06, 0.05, 0.17, 0.2, colour)
    patch(0.83, 0.8, 0.94, 0.95, colour)
    for row in range(pips):
        for u in (0.34, 0.66):
            disc(image, at(u, (row + 1) / (pips + 1)), (unit * 0.085, unit * 0.085), colour)


def draw_puzzle_piece(
    image: np.ndarray, centre: np.ndarray, size: float, degrees: float, colour: np.ndarray
) -> None:
    """Draw a jigsaw piece: a square with knobs on two sides and a bite out of a third."""
    square = rectangle(centre, size, size, degrees)
    dark = np.clip(colour * 0.6, 0, 255)
    fill(image, rectangle(centre + size * 0.05, size, size, degrees), dark)
    fill(image, square, colour)
    for side in range(3):
        middle = (square[side] + square[side + 1]) / 2
        inward = centre - middle
        bite = side == 2
        spot = middle + inward * 0.25 if bite else middle - inward * 0.18
        disc(image, spot, (size * 0.17, size * 0.17), dark if bite else colour)


def _upright(
    parts: Sequence[tuple[float, ...]],
    high: float,
    wide: float,
    colour: Sequence[float],
    light: Light,
) -> Layer:
    """Capsules (x0, y0, x1, y1, r0, r1) that stand at (0, 0), y up in units of `high`."""
    bones = [
        Bone(
            np.array([x0 * wide, -y0 * high, 0]),
            np.array([x1 * wide, -y1 * high, 0]),
            (r0 * wide, r1 * wide),
            OTHER,
        )
        for x0, y0, x1, y1, r0, r1 in parts
    ]
    surface = solid(bones)
    grey = np.asarray(colour, np.float64)
    look = Look(grey, grey, 0.0, 0.0, grey)
    return Layer(surface.x, surface.y, paint(surface, look, light, wide), surface.alpha)


def chess_piece(rng: Generator, size: float, colour: Sequence[float], light: Light) -> Layer:
    """An upright chess piece whose foot stands at (0, 0), about `size` pixels high."""
    tall = size * rng.uniform(0.8, 1.15)
    parts = [
        (0, 0.10, 0, 0.16, 0.24, 0.20),
        (0, 0.16, 0, 0.62, 0.16, 0.09),
        (0, 0.62, 0, 0.64, 0.16, 0.15),
        (0, 0.78, 0, 0.80, 0.13, 0.13),
    ]
    if rng.random() < 0.4:
        parts.append((0, 0.8, 0, 1.0, 0.11, 0.04))
    return _upright(parts, tall, size, colour, light)


def mug(size: float, colour: Sequence[float], light: Light) -> Layer:
    """A mug that stands at (0, 0), `size` pixels high."""
    parts = (
        (0, 0.2, 0, 0.8, 0.4, 0.42),
        (0.4, 0.7, 0.6, 0.6, 0.07, 0.07),
        (0.6, 0.6, 0.4, 0.25, 0.07, 0.07),
    )
    layer = _upright(parts, size, size, colour, light)
    inner = (-layer.x, -0.98 * size - layer.y)
    disc(layer.colour, inner, (0.34 * size, 0.15 * size), [c * 0.35 for c in colour])
    return layer


def jenga_tower(rng: Generator, unit: float, wood: np.ndarray) -> Layer:
    """A tower of wooden blocks that stands at (0, 0); a block is `unit` pixels high."""
    rows = int(rng.integers(9, 16))
    wide, deep = 3 * 1.7 * unit, 1.6 * unit
    shape = (math.ceil(rows * unit + deep + 4), math.ceil(wide * 1.45 + 4))
    colour = np.zeros((*shape, 3), np.uint8)
    alpha = np.zeros(shape, np.uint8)

    def face(corners: np.ndarray, tone: np.ndarray) -> None:
        fill(colour, corners, tone)
        fill(alpha, corners, OPAQUE)

    for row in range(rows):
        low = shape[0] - 2 - row * unit - deep * 0.35
        left = 2 + wide * 0.12 + rng.uniform(-0.08, 0.08) * unit
        ends = row % 2 == 0
        gap = int(rng.integers(0, 6)) if 1 < row < rows - 1 else 9
        for part in range(3 if ends else 1):
            if ends and part == gap:
                continue
            step = wide / 3 if ends else wide
            tone = wood * rng.uniform(0.86, 1.06) * (0.9 if ends else 1.0)
            x0 = left + part * step
            x1, high = x0 + step, low - unit
            front = np.array([[x0, high], [x1, high], [x1, low], [x0, low]])
            face(front, tone)
            rim(colour, front, tone * 0.62, unit * 0.08)
        side = np.array([[left + wide, low - unit], [left + wide * 1.2, low - unit - deep * 0.5]])
        side = np.concatenate([side, side[::-1] + np.array([0, unit])])
        tone = wood * rng.uniform(0.62, 0.72)
        face(side, tone)
        line(colour, side, tone * 0.7, unit * 0.08)
    top = np.array([[left, low - unit], [left + wide, low - unit]])
    top = np.concatenate([top, top[::-1] + np.array([wide * 0.2, -deep * 0.5])])
    face(top, np.clip(wood * 1.12, 0, 255))
    return Layer(
        -shape[1] // 2, -shape[0], colour.astype(np.float32), alpha.astype(np.float32) / 255
    )
