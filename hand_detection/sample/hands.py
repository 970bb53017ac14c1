"""The hand model: joint angles and poses, as the capsules of a hand and its arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hand_detection.sample.solids import FOREARM, HAND, OTHER, SLEEVE, Bone, Look, unit_vector

# A right hand seen from its back, fingers up: x right (the thumb is on the left), y along
# the fingers, z out of the back. The unit is the length from wrist to middle finger tip.
KNUCKLES = (
    (-0.150, 0.475, 0.0),
    (-0.050, 0.505, 0.015),
    (0.050, 0.485, 0.01),
    (0.140, 0.440, -0.01),
)
ROOTS = (-0.055, -0.02, 0.02, 0.05)  # x at the wrist of the bones to the knuckles
PHALANGES = ((0.215, 0.13, 0.095), (0.235, 0.15, 0.10), (0.22, 0.14, 0.10), (0.17, 0.10, 0.09))
GIRTHS = (0.055, 0.057, 0.054, 0.047)
# Of a finger's three parts: how it tapers, and how deep its crease and its blend are.
TAPERS = ((1.06, 0.98), (0.98, 0.90), (0.90, 0.74))
CREASES = (0.35, 1.0, 0.8)
BLENDS = (0.8, 0.25, 0.25)
# Thumb bone directions, spread and closed against the index finger.
THUMB_OPEN = ((-0.80, 0.55, -0.15), (-0.62, 0.80, -0.10), (-0.48, 0.90, -0.05))
THUMB_SHUT = ((-0.42, 0.78, -0.50), (-0.02, 0.92, -0.45), (0.25, 0.92, -0.35))
THUMB_LENGTHS = (0.20, 0.165, 0.13)

# Joint angles: per finger (index to little) the bend at the knuckle and at the middle joint
# in degrees; then the spread in degrees and how far the thumb is closed, 0 to 1.
POSES = {
    "rest": (22, 32, 26, 36, 30, 40, 34, 42, 5, 0.35),
    "flat": (6, 8, 5, 8, 6, 9, 8, 10, 9, 0.10),
    "spread": (2, 12, 0, 10, 4, 12, 8, 14, 15, 0.0),
    "curl": (45, 62, 50, 68, 54, 70, 56, 68, 4, 0.65),
    "fist": (72, 92, 76, 96, 78, 96, 78, 92, 1, 0.95),
    "pinch": (46, 48, 40, 50, 36, 46, 32, 40, 7, 0.85),
    "grip": (38, 40, 42, 46, 46, 50, 50, 52, 6, 0.55),
    "point": (6, 10, 66, 84, 72, 88, 72, 84, 3, 0.75),
}
POSES_OF = {
    "CARDS": ("grip", "pinch", "curl", "rest", "grip", "flat"),
    "CHESS": ("pinch", "rest", "curl", "fist", "point", "flat"),
    "JENGA": ("grip", "pinch", "rest", "point", "spread", "curl"),
    "PUZZLE": ("pinch", "flat", "rest", "point", "spread", "curl"),
}


@dataclass
class Pose:
    """A hand's place and bend at one moment."""

    wrist: np.ndarray  # (2,) pixels
    elbow: np.ndarray  # (2,) pixels
    shoulder: np.ndarray | None  # (2,) pixels; None for the wearer's, never in the picture
    size: float  # wrist to middle finger tip, pixels
    girth: float  # how stout
    left: bool
    deviation: float  # degrees by which the hand is turned against the forearm
    roll: float  # degrees: 0 shows the back of the hand, positive lifts the thumb's side
    pitch: float  # degrees by which the fingers point away from the viewer
    joints: np.ndarray  # (10,) as in POSES


def _turn(axis: int, degrees: float) -> np.ndarray:
    """The (3, 3) rotation about an axis: 0 x, 1 y, 2 z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = ((1, 2), (2, 0), (0, 1))[axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def hand_bones(pose: Pose) -> tuple[list[Bone], np.ndarray]:
    """The capsules of a hand up to its wrist; and where it holds things, (3,) pixels."""
    arm = pose.wrist - pose.elbow
    heading = math.degrees(math.atan2(arm[0], -arm[1])) + pose.deviation
    mirror = -1.0 if pose.left else 1.0
    turn = _turn(2, heading) @ _turn(0, pose.pitch) @ _turn(1, mirror * pose.roll)
    flip = np.diag([mirror, -1.0, 1.0]) * pose.size

    def place(point: Sequence[float]) -> np.ndarray:
        return turn @ (flip @ point) + [pose.wrist[0], pose.wrist[1], 0]

    def point_up(direction: Sequence[float]) -> np.ndarray:
        return unit_vector(turn @ (flip @ direction))

    bones: list[Bone] = []

    def add(
        start: Sequence[float], end: Sequence[float], r0: float, r1: float, **more: object
    ) -> None:
        unit = pose.size * pose.girth
        bones.append(Bone(place(start), place(end), (r0 * unit, r1 * unit), HAND, **more))

    melt = 0.055 * pose.size
    knuckles = np.array(KNUCKLES)
    # The palm: a fan of bones from the wrist, the outer edge and the ball of the thumb.
    for knuckle, root in zip(knuckles, ROOTS, strict=True):
        add((root, 0.0, -0.01), knuckle - [0, 0.02, 0.03], 0.080, 0.068, blend=melt)
    add((0.09, 0.10, -0.05), (0.13, 0.36, -0.05), 0.075, 0.06, blend=melt)
    add((-0.06, 0.10, -0.06), (-0.11, 0.38, -0.05), 0.075, 0.06, blend=melt)

    closed = float(pose.joints[9])
    thumb = [np.array([-0.085, 0.10, -0.045])]
    dorsal = np.array([-0.55, -0.1, 0.75])
    ups = []
    for spread, shut, length in zip(THUMB_OPEN, THUMB_SHUT, THUMB_LENGTHS, strict=True):
        direction = unit_vector(np.array(spread) * (1 - closed) + np.array(shut) * closed)
        thumb.append(thumb[-1] + direction * length)
        ups.append(point_up(dorsal - direction * float(dorsal @ direction)))
    add(thumb[0], thumb[1], 0.078, 0.062, blend=melt)
    # The web between thumb and index finger.
    add(thumb[0] * 0.35 + thumb[1] * 0.65, knuckles[0] - [0, 0.07, 0.05], 0.05, 0.05, blend=melt)
    add(thumb[1], thumb[2], 0.062, 0.058, blend=melt * 0.4, up=ups[1], crease=0.7)
    add(thumb[2], thumb[3], 0.058, 0.044, up=ups[2], crease=0.8, nail=True)

    tips = []
    for finger, (joint, lengths, girth) in enumerate(zip(knuckles, PHALANGES, GIRTHS, strict=True)):
        base, middle = np.radians(pose.joints[2 * finger : 2 * finger + 2])
        aside = math.radians(float(pose.joints[8]) * (finger - 1.4))
        bend = 0.0
        for part, more in enumerate((base, middle, 0.6 * middle)):
            bend += float(more)
            sideways, ahead = math.sin(aside), math.cos(aside)
            direction = (sideways * math.cos(bend), ahead * math.cos(bend), -math.sin(bend))
            up = (sideways * math.sin(bend), ahead * math.sin(bend), math.cos(bend))
            end = joint + np.array(direction) * lengths[part]
            add(
                joint,
                end,
                *(girth * taper for taper in TAPERS[part]),
                blend=melt * BLENDS[part],
                up=point_up(up),
                crease=CREASES[part],
                nail=part == 2,
            )
            joint = end
        tips.append(joint)
    return bones, (place(tips[0]) + place(thumb[3])) / 2


def arm_bones(pose: Pose, look: Look) -> list[Bone]:
    """The forearm behind a hand, its sleeve, and the upper arm if the pose has a shoulder."""
    wrist, elbow = pose.wrist, pose.elbow
    back = unit_vector(elbow - wrist)
    unit = pose.size * pose.girth
    start = np.append(wrist + back * 0.03 * pose.size, 0.0)
    end = np.append(elbow, -0.05 * pose.size)
    bones = []
    for aside in (-0.025, 0.025):
        offset = np.array([-back[1], back[0], 0.0]) * aside * unit
        bones.append(
            Bone(start + offset, end + offset, (0.092 * unit, 0.19 * unit), FOREARM, 0.04 * unit)
        )
    if look.sleeve > 0:
        covered = start + (end - start) * (1 - look.sleeve)
        radius = (0.125 + 0.085 * (1 - look.sleeve)) * unit
        covered[2] += 0.012 * unit
        bones.append(Bone(covered, end, (radius, 0.23 * unit), SLEEVE, flat=True))
    if pose.shoulder is not None:
        top = np.append(pose.shoulder, -0.5 * pose.size)
        low = np.append(elbow, -0.12 * pose.size)
        bare = look.sleeve == 0  # a short sleeve, which leaves the elbow bare
        bones.append(
            Bone(
                low + (top - low) * 0.3 if bare else low,
                top,
                (0.21 * unit, 0.27 * unit),
                SLEEVE,
                0.08 * unit,
                flat=bare,
            )
        )
        if bare:
            bones.append(Bone(low, top, (0.18 * unit, 0.2 * unit), OTHER, 0.05 * unit))
    return bones
