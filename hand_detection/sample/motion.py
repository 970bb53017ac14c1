"""What the four hands do in a video, and where each is at one moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from hand_detection.sample.hands import POSES, POSES_OF, Pose
from hand_detection.sample.names import HANDS
from hand_detection.sample.scene import Scene
from hand_detection.sample.solids import unit_vector

# How often 0, 1 and 2 hands are up, of the wearer and of the partner: together as often as
# EgoHands has 0 to 4 hands in a frame.
OWN_UP = (0.35, 0.28, 0.37)
PARTNER_UP = (0.002, 0.078, 0.92)
# How far each wrist keeps from the middle between a person's hands, in widths of the frame.
OWN_GAP, PARTNER_GAP = 0.18, 0.14
# How much smaller, usual and larger a hand is, being further from or nearer to the eye; the
# partner's whole arm grows with it, so less. With it boxes vary in width as EgoHands' do.
OWN_SCALES, PARTNER_SCALES = (0.6, 1.0, 1.5), (0.65, 1.0, 1.25)


class Drift:
    """A smooth random function of time: eased interpolation between random knots."""

    def __init__(self, knots: np.ndarray, spacing: float) -> None:
        """`knots`: (K,) or (K, D) values, `spacing` video frames apart."""
        self._knots = knots
        self._spacing = spacing

    def __call__(self, time: float) -> np.ndarray:
        """The value at `time` in video frames: a scalar array or (D,)."""
        place = min(max(time / self._spacing, 0.0), len(self._knots) - 1.001)
        index = int(place)
        part = place - index
        part = part * part * (3 - 2 * part)
        return self._knots[index] * (1 - part) + self._knots[index + 1] * part


@dataclass
class Action:
    """One hand through a video."""

    name: str  # one of HANDS
    size: float  # pixels
    girth: float
    home: np.ndarray  # (2,) where the wrist is, in fractions of the frame
    away: np.ndarray  # (2,) where it goes when it leaves the frame
    wander: Drift  # (2,) in fractions of the frame
    up: Drift  # 0 away to 1 home
    scale: Drift  # of its size
    angles: Drift  # (3,) deviation, roll, pitch in degrees
    joints: Drift  # (10,)
    elbow: Drift  # (2,) in fractions of the frame
    carries: Drift  # above 0: holds something


@dataclass
class Moment:
    """What all hands share at one moment."""

    time: float  # in video frames
    pause: float  # 0 to 1: how far all hands are being taken away
    camera: np.ndarray  # (2, 3) map from the canvas to the frame


def _whose(name: str) -> tuple[bool, bool, int]:
    """Of a hand: whether the wearer's, whether left, and +1 if on the picture's left, else -1."""
    mine, left = name.startswith("my"), name.endswith("left")
    return mine, left, 1 if left == mine else -1


def make_actions(rng: Generator, scene: Scene, length: float) -> list[Action]:
    """The four hands of a video of `length` video frames."""
    knots = int(length / 40) + 3

    def ups(chances: Sequence[float]) -> list[np.ndarray]:
        """Whether the left hand is up at each knot, (knots,), 0 or 1; and the right."""
        number = rng.choice(3, knots, p=chances)
        first = rng.random(knots) < 0.5
        left = (number == 2) | ((number == 1) & first)
        right = (number == 2) | ((number == 1) & ~first)
        return [left.astype(float), right.astype(float)]

    up = [*ups(OWN_UP), *ups(PARTNER_UP)]  # in the order of HANDS
    sizes = [rng.uniform(*limits) * scene.unit for limits in ((320, 480), (200, 290))]
    girths = [rng.uniform(0.94, 1.16) for _ in sizes]
    return [
        _action(rng, scene, name, sizes[index // 2], girths[index // 2], up[index])
        for index, name in enumerate(HANDS)
    ]


def _action(
    rng: Generator, scene: Scene, name: str, size: float, girth: float, up: np.ndarray
) -> Action:
    mine, _, toward = _whose(name)
    gap, scales = (OWN_GAP, OWN_SCALES) if mine else (PARTNER_GAP, PARTNER_SCALES)
    horizon = (scene.horizon - scene.margin) / scene.size[1]
    middle = (scene.shoulders[:, 0].mean() - scene.margin) / scene.size[0]
    if mine:
        middle = (0.5 + middle) / 2
        home = np.array([middle - toward * rng.uniform(0.18, 0.34), rng.uniform(0.88, 1.1)])
        if rng.random() < 0.35:
            away = np.array([0.5 - toward * 0.85, rng.uniform(0.7, 0.95)])
        else:
            away = np.array([home[0] - toward * 0.1, 1.5])
    else:
        home = np.array(
            [middle - toward * rng.uniform(0.14, 0.24), horizon + rng.uniform(0.0, 0.13)]
        )
        if rng.random() < 0.5:
            away = np.array([middle - toward * 0.8, horizon + 0.03])
        else:
            away = np.array([middle - toward * 0.26, -0.42])
    knots = len(up)
    number = 2 * knots  # of what changes faster
    cards = scene.activity == "CARDS"
    poses = [POSES[name] for name in POSES_OF[scene.activity]]
    joints = np.array(poses, np.float64)[rng.integers(len(poses), size=number)]
    joints[:, :9] *= rng.uniform(0.75, 1.2, (number, 9))
    joints[:, :8] += rng.normal(0, 5, (number, 8))
    joints[:, 9] = np.clip(joints[:, 9] + rng.normal(0, 0.15, number), 0, 1)
    roll = rng.normal(26 if mine else 32, 26, number)
    if mine and cards:
        roll[rng.random(number) < 0.3] += 85  # palm up, to look at one's own cards
    deviation = rng.normal(toward * (14 if mine else -14), 16, number)
    pitch = rng.normal(-24 if mine else 24, 14, number)
    wander = rng.normal(0, 1, (number, 2)) * ([0.085, 0.085] if mine else [0.055, 0.06])
    # Now and then a hand reaches for the middle of the table.
    reach = rng.random(number) < 0.22
    aim = np.array([0.5, 0.72 if mine else horizon + 0.2])
    wander[reach] += (aim - home) * rng.uniform(0.5, 1, (int(reach.sum()), 1))
    # A person's hands seldom cross: each keeps to its side, but for a few moments.
    past = toward * (home[0] + wander[:, 0] - middle) + gap
    past[rng.random(number) < 0.1] = 0
    wander[:, 0] -= toward * np.maximum(past, 0)
    return Action(
        name,
        size,
        girth,
        home,
        away,
        wander=Drift(wander, 20),
        up=Drift(up, 40),
        scale=Drift(rng.choice(scales, knots, p=[0.15, 0.7, 0.15]), 40),
        angles=Drift(np.stack([deviation, roll, pitch], 1), 20),
        joints=Drift(joints, 20),
        elbow=Drift(rng.normal(0, 0.07, (knots, 2)), 40),
        carries=Drift(rng.uniform(-1, 1, knots) + (0.35 if cards else -0.1), 40),
    )


def pose_at(action: Action, scene: Scene, moment: Moment) -> Pose:
    """A hand's pose at a moment."""
    width, height = scene.size
    mine, left, toward = _whose(action.name)
    time, camera = moment.time, moment.camera
    size = action.size * float(action.scale(time))
    up = float(action.up(time)) * (1 - moment.pause)
    place = (action.home + action.wander(time)) * up + action.away * (1 - up)
    if mine:
        wrist = place * [width, height]
        elbow = np.array([0.5 - toward * 0.3, 1.6]) + action.elbow(time)
        elbow[0] += 0.5 * (place[0] - action.home[0])
        elbow[1] = max(elbow[1], place[1] + 0.35)
        elbow = elbow * [width, height]
        shoulder = None
    else:
        wrist = camera[:, :2] @ (place * [width, height] + scene.margin) + camera[:, 2]
        shoulder = camera[:, :2] @ scene.shoulders[1 if left else 0] + camera[:, 2]
        # Two bones from shoulder to wrist, the elbow to the outside and below.
        reach = wrist - shoulder
        bone = size * 1.25
        bend = math.sqrt(max(bone**2 - float(reach @ reach) / 4, 0.0)) * 0.75
        across = unit_vector(np.array([-reach[1], reach[0]])) * toward
        elbow = (shoulder + wrist) / 2 + across * bend + action.elbow(time) * height * 0.4
        elbow[1] = min(elbow[1], wrist[1] + size * 0.25)
    deviation, roll, pitch = (float(value) for value in action.angles(time))
    return Pose(
        wrist,
        elbow,
        shoulder,
        size,
        action.girth,
        left,
        deviation=min(max(deviation, -38.0), 38.0),
        roll=roll,
        pitch=pitch,
        joints=action.joints(time),
    )
