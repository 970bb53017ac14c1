"""What stays the same in a video: the room, the partner, the table and what is on it, the light."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from hand_detection.sample.layers import Layer, cast_shadow, compose
from hand_detection.sample.solids import OTHER, SLEEVE, Bone, Light, Look, paint, solid, unit_vector
from hand_detection.sample.things import (
    BLACK,
    OPAQUE,
    chess_piece,
    disc,
    draw_card,
    draw_puzzle_piece,
    fill,
    jenga_tower,
    line,
    mug,
    rectangle,
    rim,
)

# BGR, from pale to dark.
SKINS = (
    (178, 198, 236),
    (150, 175, 222),
    (122, 152, 206),
    (98, 128, 182),
    (66, 92, 142),
    (46, 64, 98),
)
CLOTHS = (
    (60, 52, 48),
    (120, 84, 52),
    (178, 148, 112),
    (52, 60, 122),
    (78, 104, 74),
    (200, 198, 194),
    (96, 96, 100),
    (58, 90, 150),
    (40, 36, 34),
    (160, 140, 190),
)


@dataclass
class Scene:
    """What stays the same in one video. Lengths in pixels of the canvas or the frame."""

    size: tuple[int, int]  # width and height of a frame
    activity: str
    margin: int  # by which the canvas exceeds the frame on every side
    canvas: np.ndarray  # background, partner and table
    standing: list[Layer]  # upright things, in canvas pixels, the furthest first
    light: Light
    partner: Look
    own: Look
    shoulders: np.ndarray  # (2, 2) the partner's right and left, canvas pixels
    horizon: float  # far edge of the table, canvas pixels
    tone: np.ndarray  # (256, 1, 3) uint8: white balance, exposure and contrast
    grain: np.ndarray  # int16 noise, larger than a frame
    vignette: np.ndarray  # float32 (H, W, 1)
    wood: np.ndarray  # (3,) BGR: of the board and the blocks

    @property
    def unit(self) -> float:
        """A pixel of a frame 1280 wide: what lengths are given in."""
        return self.size[0] / 1280


def _noise(rng: Generator, shape: tuple[int, int], cell: float, stretch: float = 1.0) -> np.ndarray:
    """Smooth noise, float32 of `shape`, mean 0, about -1 to 1, with blobs of `cell` pixels.

    `stretch` makes the blobs that many times longer in x.
    """
    height, width = shape
    grid = rng.standard_normal(
        (max(2, round(height / cell) + 1), max(2, round(width / (cell * stretch)) + 1))
    ).astype(np.float32)
    return cv2.resize(grid * 0.6, (width, height), interpolation=cv2.INTER_CUBIC)


def _look(rng: Generator, unit: float, sleeve: float) -> Look:
    skin = np.array(SKINS, np.float64)
    place = rng.uniform(0, len(skin) - 1.001)
    index = int(place)
    tone = skin[index] + (skin[index + 1] - skin[index]) * (place - index)
    cloth = np.array(CLOTHS[rng.integers(len(CLOTHS))], np.float64) * rng.uniform(0.8, 1.1)
    striped = rng.random() < 0.3
    return Look(
        tone * rng.uniform(0.97, 1.03, 3),
        cloth,
        sleeve,
        float(rng.uniform(14, 40) * unit) if striped else 0.0,
        np.array(CLOTHS[rng.integers(len(CLOTHS))], np.float64),
    )


def _courtyard(rng: Generator, shape: tuple[int, int], unit: float) -> np.ndarray:
    h, w = shape
    image = np.empty((h, w, 3), np.float32)
    leaf = _noise(rng, shape, 9 * unit) + 0.6 * _noise(rng, shape, 30 * unit)
    image[:] = (48, 84, 62)
    image *= np.clip(0.75 + 0.55 * leaf, 0.15, 1.9)[..., None]
    wall = round(w * rng.uniform(0.35, 0.9))
    brick = np.full((h, w - wall, 3), rng.uniform(140, 190), np.float32)
    brick *= np.array([0.82, 0.93, 1.0])
    brick *= 1 + 0.05 * _noise(rng, brick.shape[:2], 6 * unit)[..., None]
    image[:, wall:] = brick
    ground = round(h * rng.uniform(0.26, 0.36))
    stone = 125 + 22 * _noise(rng, (h - ground, w), 40 * unit, 2.0)
    stone += 10 * _noise(rng, (h - ground, w), 4 * unit)
    image[ground:] = stone[..., None] * np.array([1.0, 0.99, 0.96])
    for _ in range(5):
        x = rng.uniform(0, w)
        line(image, [(x, ground), (x + rng.uniform(-1, 1) * w * 0.4, h)], (85, 88, 90), 4 * unit)
    return image


def _livingroom(rng: Generator, shape: tuple[int, int], unit: float) -> np.ndarray:
    h, w = shape
    image = np.empty((h, w, 3), np.float32)
    image[:] = np.array([185, 200, 210]) * rng.uniform(0.6, 1.0)
    image += 6 * _noise(rng, shape, 50 * unit)[..., None]
    for _ in range(3):  # pictures
        spot = (rng.uniform(0, w), rng.uniform(0, h * 0.18))
        wide, high = rng.uniform(90, 190, 2) * unit
        fill(image, rectangle(spot, wide, high, 0), (46, 60, 74))
        fill(image, rectangle(spot, wide * 0.86, high * 0.84, 0), rng.uniform(60, 220, 3))
    sofa = np.array(CLOTHS[rng.integers(len(CLOTHS))], np.float64) * 0.8
    seat = np.array(
        [[-0.02, 0.14], [0.03, 0.09], [0.97, 0.09], [1.02, 0.14], [1.02, 1], [-0.02, 1]]
    )
    fill(image, seat * [w, h], sofa)
    line(image, [(0, 0.24 * h), (w, 0.24 * h)], sofa * 0.7, 5 * unit)
    for x in rng.uniform(0.02, 0.98, 4):
        # Beige, orange and brown cushions: the colours of skin without its shape.
        tone = np.array(SKINS[rng.integers(len(SKINS))]) * rng.uniform(0.7, 1.1)
        spot = (x * w, h * rng.uniform(0.15, 0.24))
        side = rng.uniform(110, 170) * unit
        turned = rng.uniform(-30, 30)
        fill(image, rectangle(spot, side, side * 0.9, turned), tone)
        if rng.random() < 0.5:
            for step in np.linspace(0.2, 0.8, 4):
                stripe = rectangle(spot, side * step, side * 0.05, turned + 90)
                fill(image, stripe, tone * 0.6)
    return image


def _office(rng: Generator, shape: tuple[int, int], unit: float) -> np.ndarray:
    h, w = shape
    image = np.empty((h, w, 3), np.float32)
    image[:] = np.array([205, 210, 212]) * rng.uniform(0.75, 1.08)
    board = rectangle((w * rng.uniform(0.2, 0.8), h * 0.04), w * 0.4, h * 0.26, 0)
    fill(image, board, (238, 236, 234))
    rim(image, board, (120, 122, 124), 6 * unit)
    base = round(h * rng.uniform(0.24, 0.34))
    image[base:] = np.array([88, 92, 98]) * rng.uniform(0.6, 1.3)
    image[base : base + max(2, round(12 * unit))] = (150, 152, 156)
    for x in rng.uniform(0, 1, 3):  # screens
        tone = rng.uniform(25, 90) * np.array([1.0, 0.98, 0.95])
        fill(image, rectangle((x * w, h * 0.26), 130 * unit, 170 * unit, 0), tone)
    tone = np.array(SKINS[rng.integers(len(SKINS))]) * 0.9  # a wooden door or a box
    fill(image, rectangle((w * rng.uniform(0, 1), h * 0.1), 100 * unit, 260 * unit, 0), tone)
    return image


ROOMS = {"COURTYARD": _courtyard, "LIVINGROOM": _livingroom, "OFFICE": _office}


def _background(rng: Generator, shape: tuple[int, int], location: str, unit: float) -> np.ndarray:
    """What stands behind the partner, (h, w, 3) uint8, as out of focus as it would be."""
    image = ROOMS[location](rng, shape, unit)
    image = cv2.GaussianBlur(image, (0, 0), max(2.6 * unit, 0.5))
    return np.clip(image, 0, 255).astype(np.uint8)


def _table_top(rng: Generator, shape: tuple[int, int], unit: float) -> np.ndarray:
    """The bare table seen from straight above, (h, w, 3) uint8."""
    h, w = shape
    kind = rng.integers(5)
    if kind == 0:  # grey or white laminate
        base = rng.uniform(120, 215) * np.array([1.0, 0.995, 0.97])
        image = base + 4 * rng.standard_normal((h, w, 1))
        image += 5 * _noise(rng, shape, 60 * unit)[..., None]
    elif kind in (1, 2):  # planks, from pale, the colour of skin, to dark
        tone = np.array(
            [[150, 178, 205], [96, 134, 176], [62, 88, 124], [40, 54, 78], [142, 148, 152]]
        )
        base = tone[rng.integers(len(tone))] * rng.uniform(0.85, 1.1)
        grain = _noise(rng, shape, 3.2 * unit, 26) + 0.8 * _noise(rng, shape, 12 * unit, 20)
        image = base * (1 + 0.09 * grain[..., None])
        plank = rng.uniform(80, 170) * unit
        for row in range(int(h / plank) + 1):
            top = round(row * plank)
            image[top : round(top + plank)] *= rng.uniform(0.88, 1.08)
            image[top : top + max(1, round(3 * unit))] *= 0.5
    elif kind == 3:  # a cloth
        base = np.array(CLOTHS[rng.integers(len(CLOTHS))], np.float64)
        image = np.broadcast_to(base, (h, w, 3)).copy()
        period = rng.uniform(40, 110) * unit
        image[(np.arange(h) % period) < period * 0.5] *= 0.8
        image[:, (np.arange(w) % period) < period * 0.5] *= 0.8
        image += 5 * rng.standard_normal((h, w, 1))
    else:  # two colours, as painted
        base = rng.uniform(90, 220, 3)
        image = np.broadcast_to(base, (h, w, 3)).copy()
        cut = w * rng.uniform(0.2, 0.6)
        other = rng.uniform(150, 215) * np.array([0.93, 0.97, 1.0])
        fill(image, [(0, h * 0.2), (cut, h * 0.4), (cut * 1.3, h), (0, h)], other)
        image += 4 * _noise(rng, shape, 50 * unit)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def _lay(rng: Generator, table: np.ndarray, activity: str, unit: float, wood: np.ndarray) -> None:
    """Draw what lies flat on the table onto its view from above, in place."""
    h, w = table.shape[:2]

    def spot(spread: float = 1.0) -> np.ndarray:
        return np.array(
            [w * (0.5 + 0.18 * spread * rng.uniform(-1, 1)), h * rng.uniform(0.16, 0.55)]
        )

    if activity == "CARDS":
        for _ in range(rng.integers(8, 18)):
            corners = rectangle(spot(), 74 * unit, 108 * unit, rng.uniform(-60, 60))
            draw_card(table, corners, rng, bool(rng.random() < 0.75))
        pile = spot(0.5)
        for level in range(6):
            corners = rectangle(pile - level * 1.5 * unit, 74 * unit, 108 * unit, 4)
            draw_card(table, corners, rng, False)
    elif activity == "CHESS":
        side = 62 * unit
        corner = np.array([w / 2 - 4 * side, h * 0.16])
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * side
        fill(table, rectangle(corner + 4 * side, 9 * side, 9 * side, 0), wood * 0.8)
        for row, column in itertools.product(range(8), range(8)):
            tone = wood * 1.12 if (row + column) % 2 else wood * 0.45
            fill(table, square + corner + [column * side, row * side], np.clip(tone, 0, 255))
    elif activity == "JENGA":
        for _ in range(rng.integers(6, 16)):
            place, angle = spot(1.6), rng.uniform(0, 180)
            tone = wood * rng.uniform(0.9, 1.05)
            fill(table, rectangle(place + 6 * unit, 104 * unit, 36 * unit, angle), tone * 0.55)
            fill(table, rectangle(place, 104 * unit, 34 * unit, angle), np.clip(tone, 0, 255))
    else:
        tones = rng.uniform(30, 235, (5, 3))
        tones[0] = wood
        size = 52 * unit
        corner = np.array([w * 0.42, h * 0.2])
        for row, column in itertools.product(range(5), range(6)):
            if rng.random() < 0.7:
                tone = tones[(row // 2 + column // 3) % 5] * rng.uniform(0.85, 1.1)
                place = corner + np.array([column, row]) * size
                draw_puzzle_piece(table, place, size, 0, np.clip(tone, 0, 255))
        for _ in range(rng.integers(14, 34)):
            tone = np.clip(tones[rng.integers(5)] * rng.uniform(0.85, 1.1), 0, 255)
            draw_puzzle_piece(table, spot(2.0), size, rng.uniform(0, 360), tone)
    for _ in range(rng.integers(0, 3)):  # a phone, a book, a wooden coaster
        tone = (BLACK, tuple(rng.uniform(40, 220, 3)), tuple(wood))[rng.integers(3)]
        place = np.array(
            [w * rng.choice([0.3, 0.7]) + rng.uniform(-60, 60) * unit, h * rng.uniform(0.1, 0.5)]
        )
        wide, high = rng.uniform(70, 150) * unit, rng.uniform(90, 190) * unit
        corners = rectangle(place, wide, high, rng.uniform(-30, 30))
        fill(table, corners, tone)
        rim(table, corners, [c * 0.7 for c in tone], 4 * unit)


def _partner(
    rng: Generator,
    canvas: np.ndarray,
    look: Look,
    light: Light,
    centre: float,
    chin: float,
    unit: float,
) -> np.ndarray:
    """Draw the partner's head and trunk onto the canvas; the (2, 2) places of the shoulders."""
    broad = rng.uniform(150, 185) * unit
    x, neck = centre, chin + 18 * unit
    shoulder = chin + rng.uniform(75, 105) * unit

    def bone(
        x0: float, y0: float, x1: float, y1: float, r0: float, r1: float, kind: int, z: float = 0
    ) -> Bone:
        start, end = np.array([x0, y0, z]), np.array([x1, y1, z])
        return Bone(start, end, (r0 * unit, r1 * unit), kind, 30 * unit)

    bones = [
        bone(x - broad * 0.75, shoulder, x + broad * 0.75, shoulder, 62, 62, SLEEVE),
        bone(x - broad * 0.5, shoulder, x - broad * 0.4, shoulder + 420 * unit, 90, 100, SLEEVE),
        bone(x + broad * 0.5, shoulder, x + broad * 0.4, shoulder + 420 * unit, 90, 100, SLEEVE),
        bone(x, shoulder + 10 * unit, x, shoulder + 420 * unit, 105, 110, SLEEVE),
        bone(x, neck - 30 * unit, x, neck + 34 * unit, 46, 50, OTHER, 62 * unit),
        bone(x, chin - 165 * unit, x, chin - 70 * unit, 88, 76, OTHER, 70 * unit),
        bone(x, chin - 70 * unit, x, chin - 36 * unit, 76, 42, OTHER, 74 * unit),
    ]
    surface = solid(bones)
    colour = paint(surface, look, light, 420 * unit)

    def at(dx: float, dy: float) -> tuple[float, float]:
        return x + dx * unit - surface.x, chin + dy * unit - surface.y

    dark = look.skin * 0.35
    disc(colour, at(0, -222), (92 * unit, 48 * unit), look.skin * 0.18)  # hair
    disc(colour, at(0, -46), (30 * unit, 6 * unit), look.skin * np.array([0.55, 0.5, 0.75]))
    disc(colour, at(0, -88), (17 * unit, 9 * unit), look.skin * 0.78)
    for side in (-1, 1):
        disc(colour, at(side * 34, -136), (17 * unit, 8 * unit), (225, 228, 230))
        disc(colour, at(side * 34, -136), (8 * unit, 8 * unit), dark)
        disc(colour, at(side * 34, -160), (25 * unit, 5 * unit), dark)
    compose(canvas, Layer(surface.x, surface.y, colour, surface.alpha))
    return np.array([[x - broad, shoulder + 6 * unit], [x + broad, shoulder + 6 * unit]])


def _standing(
    rng: Generator,
    activity: str,
    view: np.ndarray,
    top: tuple[int, int],
    unit: float,
    wood: np.ndarray,
    light: Light,
) -> list[Layer]:
    """The upright things on the table, in canvas pixels, the furthest first."""
    h, w = top

    def seen(x: float, y: float) -> np.ndarray:
        return cv2.perspectiveTransform(np.array([[[x, y]]], np.float64), view)[0, 0]

    things = []
    if activity == "CHESS":
        side = 62 * unit
        tones = (np.clip(wood * [1.05, 1.08, 1.1], 0, 255), wood * [0.3, 0.32, 0.4])
        kinds = [[chess_piece(rng, 66 * unit, tone, light) for _ in range(3)] for tone in tones]
        corner = np.array([w / 2 - 4 * side, h * 0.16])
        chance = np.array([0.9, 0.75, 0.25, 0.15, 0.15, 0.25, 0.75, 0.9])
        for row, column in itertools.product(range(8), range(8)):
            if rng.random() < chance[row] * 0.75:
                x, y = seen(*(corner + (np.array([column, row]) + 0.5) * side))
                things.append(kinds[int(row < 4)][rng.integers(3)].moved(x, y))
    elif activity == "JENGA":
        x, y = seen(w * rng.uniform(0.4, 0.6), h * rng.uniform(0.22, 0.34))
        things.append(jenga_tower(rng, 15 * unit, wood).moved(x, y))
    for _ in range(rng.integers(0, 3)):
        x, y = seen(
            w * rng.choice([0.25, 0.75]) + rng.uniform(-90, 90) * unit, h * rng.uniform(0.06, 0.4)
        )
        tone = np.array(SKINS[rng.integers(6)]) if rng.random() < 0.5 else rng.uniform(30, 230, 3)
        things.append(mug(rng.uniform(70, 110) * unit, tone, light).moved(x, y))
    return sorted(things, key=lambda thing: thing.foot)


def _set_table(
    rng: Generator,
    canvas: np.ndarray,
    table: np.ndarray,
    light: Light,
    centre: float,
    horizon: float,
    size: tuple[int, int],
) -> np.ndarray:
    """Draw the table onto the canvas; the (3, 3) map to it from the table seen from above.

    `centre` and `horizon`: where the middle of its far edge is.
    """
    unit, height = size[0] / 1280, size[1]
    h, w = canvas.shape[:2]
    deep, broad = table.shape[:2]
    skew = rng.uniform(-0.06, 0.06) * height
    far, near = rng.uniform(0.62, 0.95) * w, rng.uniform(1.5, 1.9) * w
    corners = np.array(
        [
            [centre - far / 2, horizon - skew],
            [centre + far / 2, horizon + skew],
            [w / 2 + near / 2, h * 1.12],
            [w / 2 - near / 2, h * 1.12],
        ],
        np.float32,
    )
    above = np.array([[0, 0], [broad, 0], [broad, deep], [0, deep]], np.float32)
    view = cv2.getPerspectiveTransform(above, corners)
    seen = cv2.warpPerspective(table, view, (w, h), flags=cv2.INTER_AREA)
    seen = np.clip(seen * (1 + 0.10 * _noise(rng, (h, w), 300 * unit)[..., None]), 0, 255)
    covered = np.zeros((h, w), np.uint8)
    fill(covered, corners, OPAQUE)
    thickness = np.array([0, 9 * unit], np.float32)
    fill(canvas, corners + thickness, table.mean((0, 1)) * 0.45)
    compose(canvas, Layer(0, 0, seen.astype(np.float32), covered.astype(np.float32) / 255))
    # The partner shades the far end of the table.
    body = Layer(
        round(centre - 230 * unit),
        round(horizon - 40 * unit),
        np.zeros((1, 1, 3), np.float32),
        np.ones((round(60 * unit), round(460 * unit)), np.float32),
    )
    cast_shadow(canvas, body, light, 40 * unit)
    return view


def _camera(rng: Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How the camera renders a scene: tone, grain and vignette, as in `Scene`."""
    width, height = size
    balance = rng.uniform(0.94, 1.06, 3)
    exposure, gamma = rng.uniform(0.86, 1.14), rng.uniform(0.88, 1.15)
    ramp = np.arange(256)[:, None] / 255
    tone = np.clip(255 * exposure * balance * ramp**gamma, 0, 255)
    yy, xx = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - rng.uniform(0.05, 0.2) * (xx**2 + yy**2) / 2
    grain = rng.standard_normal((height + 64, width + 64, 1)) * rng.uniform(1.5, 4)
    grain = grain + rng.standard_normal((height + 64, width + 64, 3)) * 1.2
    return (
        np.rint(tone).astype(np.uint8)[:, None],
        np.rint(grain).astype(np.int16),
        vignette.astype(np.float32)[..., None],
    )


def make_scene(rng: Generator, size: tuple[int, int], activity: str, location: str) -> Scene:
    """Draw all that one video's frames have in common."""
    width, height = size
    unit = width / 1280
    margin = round(110 * unit)
    shape = (height + 2 * margin, width + 2 * margin)
    angle = rng.uniform(-2.6, -0.5)
    light = Light(
        unit_vector(np.array([math.cos(angle), math.sin(angle), rng.uniform(1.1, 2.0)])),
        rng.uniform(0.42, 0.6),
        rng.uniform(0.25, 0.55),
        _noise(rng, shape, 26 * unit) + 0.5 * _noise(rng, shape, 4 * unit),
    )
    wood = np.array([132, 172, 208]) * rng.uniform(0.82, 1.1) * rng.uniform(0.94, 1.06, 3)
    partner = _look(rng, unit, float(rng.choice([0.0, 0.0, 0.55, 0.92, 1.0])))
    own = _look(rng, unit, float(rng.choice([0.0, 0.0, 0.5, 0.9, 1.0])))
    canvas = _background(rng, shape, location, unit)
    horizon = margin + rng.uniform(0.24, 0.40) * height
    centre = shape[1] / 2 + rng.uniform(-0.15, 0.15) * width
    chin = horizon - rng.uniform(150, 300) * unit
    shoulders = _partner(rng, canvas, partner, light, centre, chin, unit)
    table = _table_top(rng, (round(1000 * unit), round(1500 * unit)), unit)
    _lay(rng, table, activity, unit, wood)
    view = _set_table(rng, canvas, table, light, centre, horizon, size)
    standing = _standing(rng, activity, view, table.shape[:2], unit, wood, light)
    tone, grain, vignette = _camera(rng, size)
    return Scene(
        size=size,
        activity=activity,
        margin=margin,
        canvas=canvas,
        standing=standing,
        light=light,
        partner=partner,
        own=own,
        shoulders=shoulders,
        horizon=horizon,
        tone=tone,
        grain=grain,
        vignette=vignette,
        wood=wood,
    )
