"""Solids: tapered capsules drawn as a height map, and the map as shaded colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

EVERYWHERE = (-1e6, -1e6, 1e6, 1e6)  # left, top, right, bottom of a frame without edges


def unit_vector(vector: np.ndarray) -> np.ndarray:
    """`vector` with length 1."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


# What a capsule is part of. All but sleeves are painted as skin.
HAND, FOREARM, SLEEVE, OTHER = 1, 2, 3, 4


@dataclass
class Bone:
    """A tapered capsule from `start` to `end`, (3,) each, in pixels.

    `blend` is the depth in pixels over which it melts into the bones before it. `up` is the
    direction of the back of a finger, where its creases and its nail are. A `flat` bone is
    cut at its start, as a sleeve is, rather than rounded.
    """

    start: np.ndarray
    end: np.ndarray
    radius: tuple[float, float]
    kind: int = HAND
    blend: float = 0.0
    up: np.ndarray | None = None
    nail: bool = False
    crease: float = 0.0
    flat: bool = False

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of its outline, in pixels."""
        (x0, y0, _), (x1, y1, _) = self.start, self.end
        r0, r1 = self.radius
        return (
            min(x0 - r0, x1 - r1) - 2,
            min(y0 - r0, y1 - r1) - 2,
            max(x0 + r0, x1 + r1) + 2,
            max(y0 + r0, y1 + r1) + 2,
        )


@dataclass
class Surface:
    """Bones as a height map. All arrays float32 (h, w); `x`, `y`: its place in the frame."""

    x: int
    y: int
    height: np.ndarray  # z in pixels; of no meaning where alpha is 0
    alpha: np.ndarray  # how much of a pixel is covered, 0 to 1
    kind: np.ndarray  # uint8: the kind of the bone on top
    nail: np.ndarray  # 0 to 1
    ink: np.ndarray  # 0 to 1: depth of the skin's creases


def solid(
    bones: Sequence[Bone], limits: tuple[float, float, float, float] = EVERYWHERE
) -> Surface | None:
    """The height map of `bones`, or None if nothing is to be seen.

    Hand bones are drawn whole; the other kinds only inside `limits`, the left, top, right
    and bottom of the frame.
    """
    boxes = []
    for bone in bones:
        left, top, right, bottom = bone.box()
        if bone.kind != HAND:
            left, top = max(left, limits[0]), max(top, limits[1])
            right, bottom = min(right, limits[2]), min(bottom, limits[3])
        boxes.append((math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)))
    shown = [box for box in boxes if box[0] < box[2] and box[1] < box[3]]
    if not shown:
        return None
    x, y = min(box[0] for box in shown), min(box[1] for box in shown)
    shape = (max(box[3] for box in shown) - y, max(box[2] for box in shown) - x)
    alpha, nail, ink = np.zeros((3, *shape), np.float32)
    height = np.full(shape, -1e6, np.float32)
    surface = Surface(x, y, height, alpha, np.zeros(shape, np.uint8), nail, ink)
    for bone, box in zip(bones, boxes, strict=True):
        if box[0] < box[2] and box[1] < box[3]:
            _add(surface, bone, box)
    return surface


def _add(surface: Surface, bone: Bone, box: tuple[int, int, int, int]) -> None:
    """Draw one bone into the height map, inside `box` (left, top, right, bottom)."""
    left, top, right, bottom = box
    window = np.s_[top - surface.y : bottom - surface.y, left - surface.x : right - surface.x]
    x = np.arange(left, right, dtype=np.float32)[None] - np.float32(bone.start[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(bone.start[1])
    dx, dy, dz = (bone.end - bone.start).tolist()
    length = max(math.hypot(dx, dy), 0.5)
    ax, ay, slope = dx / length, dy / length, dz / length
    along = x * ax + y * ay
    across = y * ax - x * ay
    r0, r1 = bone.radius
    near = np.clip(along, 0, length)
    radius = r0 + (r1 - r0) / length * near
    distance = np.hypot(along - near, across)
    alpha = np.clip(radius - distance + 0.5, 0, 1)
    if bone.flat:
        alpha = np.minimum(alpha, np.clip(along + 0.5, 0, 1))
    # The highest of the spheres along the axis: closed form for a cylinder, then clamped.
    rho2 = np.maximum(radius * radius - across * across, 0)
    steep = slope / math.sqrt(1 + slope * slope)
    touch = np.clip(along + np.sqrt(rho2) * steep, 0, length)
    z = np.sqrt(np.maximum(rho2 - (along - touch) ** 2, 0))
    normal_z = z / radius
    z += np.float32(bone.start[2]) + slope * touch
    inside = alpha > 0
    old = surface.height[window]
    wins = inside & (z > old)
    if bone.blend:
        share = np.clip(0.5 + 0.5 * (z - old) / bone.blend, 0, 1)
        melted = old + (z - old) * share + bone.blend * share * (1 - share)
        z = np.where(old > -1e5, melted, z)
        np.copyto(old, z, where=inside)
    else:
        np.copyto(old, z, where=wins)
    kind = surface.kind[window]
    kind[wins] = bone.kind
    if bone.kind == FOREARM:
        kind[wins & (along < 0)] = HAND  # its round end is the wrist
    np.maximum(surface.alpha[window], alpha, out=surface.alpha[window])
    nail, ink = surface.nail[window], surface.ink[window]
    nail[wins] = ink[wins] = 0
    if bone.up is None:
        return
    # Where on the finger's girth a pixel is: 1 on its back, and 0 to 1 to either side.
    side = bone.up[0] * -ay + bone.up[1] * ax
    back = np.clip(normal_z * bone.up[2] + across / radius * side, -1, 1)
    mark = np.zeros_like(z)
    for place, weight in ((-0.35, 0.6), (0.0, 1.0), (0.4, 0.7), (length / r0, 0.5)):
        mark += weight * np.exp(-(((along / r0 - place) / 0.12) ** 2))
    mark *= np.clip(0.35 + back, 0.25, 1) * bone.crease
    np.copyto(ink, mark, where=wins)
    if bone.nail:
        centre = length + 0.05 * r1
        girth = np.sqrt(np.maximum(1 - back * back, 0))
        spread = np.hypot(girth / 0.78, (along - centre) / (1.05 * r1))
        plate = np.clip((1.0 - spread) * 6, 0, 1) * (back > 0)
        np.copyto(nail, plate, where=wins)


@dataclass
class Look:
    """What one person's arms look like."""

    skin: np.ndarray  # (3,) BGR, 0 to 255
    cloth: np.ndarray  # (3,) BGR
    sleeve: float  # how much of the forearm the sleeve covers, 0 to 1
    stripes: float  # period of the stripes in pixels, 0 for none
    stripe: np.ndarray  # (3,) BGR


@dataclass
class Light:
    """The light of a scene."""

    direction: np.ndarray  # (3,) unit vector towards the light
    ambient: float  # 0 to 1
    shadow: float  # darkness of the shadows on the table, 0 to 1
    texture: np.ndarray  # float32 noise, larger than any patch: mottling and folds


def paint(surface: Surface, look: Look, light: Light, scale: float) -> np.ndarray:
    """The shaded colours of a surface, float32 (h, w, 3), 0 to 255.

    `scale`: a length of the thing in pixels (of a hand: wrist to finger tip), which sets how
    far its parts shade each other.
    """
    mask = surface.alpha
    inside = (mask > 0).astype(np.float32)
    floor = float(surface.height[mask > 0].min()) if inside.any() else 0.0
    height = np.where(mask > 0, surface.height, floor).astype(np.float32)
    wide = max(scale * 0.07, 1.5)
    # Creases and hollows lie below the mean of what is around them.
    size = (0, 0)
    weight = cv2.GaussianBlur(inside, size, wide) + 1e-3
    hollow = cv2.GaussianBlur(height * inside, size, wide) / weight - height
    occlusion = np.clip(1 - np.maximum(hollow, 0) * (2.8 / wide * 0.35), 0.35, 1)
    # The mean of what is inside only: the drop at the outline would draw a black line.
    narrow = max(scale * 0.006, 0.6)
    weight = cv2.GaussianBlur(inside, size, narrow) + 1e-3
    smooth = cv2.GaussianBlur((height - floor) * inside, size, narrow) / weight
    smooth = np.where(inside > 0, smooth, cv2.dilate(smooth, np.ones((3, 3), np.uint8)))
    gx = np.clip(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125), -2.5, 2.5)
    gy = np.clip(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125), -2.5, 2.5)
    facing = 1 / np.sqrt(gx * gx + gy * gy + 1)
    lx, ly, lz = (float(value) for value in light.direction)
    toward = (lz - gx * lx - gy * ly) * facing  # the cosine to the light
    diffuse = np.maximum((toward + 0.4) / 1.4, 0)  # light wraps round what is soft
    shade = (light.ambient + (1.12 - light.ambient) * diffuse) * occlusion
    shade *= 0.80 + 0.20 * facing
    h, w = mask.shape
    ty, tx = (abs(surface.y) * 3) % 97, (abs(surface.x) * 5) % 89
    texture = light.texture
    if h + ty > texture.shape[0] or w + tx > texture.shape[1]:
        texture = cv2.resize(texture, (w + tx, h + ty))
    texture = texture[ty : ty + h, tx : tx + w]
    shade *= 1 + 0.045 * texture
    # Light that has gone through the skin comes out red: shadows lose blue first.
    skin = np.maximum(shade * (1 - 0.38 * np.clip(surface.ink, 0, 1)), 1e-3)
    colours = np.empty((h, w, 3), np.float32)
    for channel, power in enumerate((1.22, 1.08, 0.82)):
        colours[..., channel] = cv2.pow(skin, power) * look.skin[channel]
    shine = cv2.pow(np.clip(toward, 0, 1), 24) * 16
    rim = surface.nail * (1 - surface.nail) * 4
    pale = surface.nail * 0.45
    nail_colour = look.skin * 0.45 + np.array([190, 195, 235]) * 0.55
    for channel in range(3):
        plane = colours[..., channel]
        plane += pale * (shade * nail_colour[channel] - plane)
        plane *= 1 - 0.30 * rim
        plane += shine * (1 + surface.nail * 2.5)
    cloth = surface.kind == SLEEVE
    if cloth.any():
        # A sleeve is no row of fingers: its edges stay light.
        folds = shade / np.sqrt(occlusion) * (1 + 0.07 * texture)
        fabric = np.empty((h, w, 3), np.float32)
        fabric[:] = look.cloth
        if look.stripes:
            wave = np.sin((np.arange(h)[:, None] + 0.6 * np.arange(w)[None]) / look.stripes * 6.28)
            fabric[wave > 0.3] = look.stripe
        colours[cloth] = (fabric * folds[..., None])[cloth]
    return np.clip(colours, 0, 255, out=colours)
