"""A video: each moment drawn as a frame, with the polygons of the hands that it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from hand_detection.sample.hands import Pose, arm_bones, hand_bones
from hand_detection.sample.layers import Layer, cast_shadow, compose, visible_hands
from hand_detection.sample.motion import Action, Drift, Moment, make_actions, pose_at
from hand_detection.sample.scene import Scene, make_scene
from hand_detection.sample.solids import HAND, Surface, paint, solid, unit_vector
from hand_detection.sample.things import (
    OPAQUE,
    disc,
    draw_card,
    draw_puzzle_piece,
    fill,
    line,
    rectangle,
    rim,
)

VERSION = 2  # of the generator: raised whenever the same seed makes other pictures
JPEG_QUALITY = 92


@dataclass
class Video:
    """A finished video: its frames' numbers, JPEG bytes and polygons, in time's order."""

    name: str
    numbers: list[int]
    images: list[bytes]
    polygons: list[dict[str, np.ndarray]]  # name in HANDS -> (M, 2) float64, 1-based


def make_video(name: str, index: int, frames: int, seed: int, size: tuple[int, int]) -> Video:
    """Draw the video `index` of the data set. The same arguments give the same bytes."""
    rng = default_rng(SeedSequence([VERSION, seed, index]))
    activity, location = name.split("_")[:2]
    # As EgoHands has it: every 27th frame or so of a longer video, at irregular steps.
    length = min(27 * frames, 9999)
    numbers = sorted(int(n) + 1 for n in rng.choice(length, frames, replace=False))
    scene = make_scene(rng, size, activity, location)
    actions = make_actions(rng, scene, length)
    head = Drift(rng.uniform(-1, 1, (length // 60 + 3, 4)), 60)
    # In one video of five both players take their hands away for a moment.
    pause_at = numbers[frames // 2] if index % 5 == 2 else math.inf
    video = Video(name, numbers, [], [])
    for number in numbers:
        pause = min(max(2 - abs(number - pause_at) / 6, 0.0), 1.0)
        moment = Moment(number, pause, camera_at(head, number, scene))
        image, polygons = draw_frame(scene, actions, moment, rng)
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        video.images.append(data.tobytes())
        video.polygons.append(polygons)
    return video


def camera_at(drift: Drift, time: float, scene: Scene) -> np.ndarray:
    """The (2, 3) map from the canvas to the frame: the wearer's head is never still."""
    width, height = scene.size
    x, y, turn, zoom = (float(value) for value in drift(time))
    middle = (width / 2 + scene.margin, height / 2 + scene.margin)
    camera = cv2.getRotationMatrix2D(middle, turn * 2.0, 1.03 + 0.03 * zoom)
    camera[:, 2] += [x * 0.032 * width - scene.margin, y * 0.032 * width - scene.margin]
    return camera


def draw_frame(
    scene: Scene, actions: Sequence[Action], moment: Moment, rng: Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One frame, (H, W, 3) uint8 BGR, and its polygons, as in `Video`."""
    frame = cv2.warpAffine(
        scene.canvas,
        moment.camera,
        scene.size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    layers = [_hand_layer(action, scene, moment, rng) for action in actions]
    hands = [layer for layer in layers if layer is not None]
    partner = [layer for layer in hands if layer.name.startswith("your")]
    own = [layer for layer in hands if layer.name.startswith("my")]
    for pair in (partner, own):
        if rng.random() < 0.5:
            pair.reverse()
    things = []
    for thing in scene.standing:
        foot = np.array([thing.x + thing.alpha.shape[1] / 2, thing.foot])
        things.append(thing.moved(*(moment.camera @ [*foot, 1] - foot)))
    # The partner's hands are behind what stands nearer than they do.
    wrists = scene.horizon - scene.margin + 0.18 * scene.size[1]
    far = [thing for thing in things if thing.foot < wrists]
    near = [thing for thing in things if thing.foot >= wrists]
    for thing in things:
        cast_shadow(frame, thing, scene.light, 7 * scene.unit)
    layers = [*far, *partner, *near, *own]
    for layer in layers:
        cast_shadow(frame, layer, scene.light, layer.depth)
        compose(frame, layer)
    return _developed(frame, scene, rng), visible_hands(layers, scene.size)


def _hand_layer(action: Action, scene: Scene, moment: Moment, rng: Generator) -> Layer | None:
    """A hand with its arm and what it holds, at one moment; None if out of the frame."""
    width, height = scene.size
    pose = pose_at(action, scene, moment)
    mine = pose.shoulder is None
    look = scene.own if mine else scene.partner
    bones, grip = hand_bones(pose)
    boxes = np.array([bone.box() for bone in bones])
    reach = 0.6 * pose.size  # what is held reaches beyond the hand
    left, top = boxes[:, :2].min(0) - reach
    right, bottom = boxes[:, 2:].max(0) + reach
    gone = right < 0 or bottom < 0 or left > width or top > height
    if gone and mine:
        return None
    limits = (-8.0, -8.0, width + 8.0, height + 8.0)
    surface = solid(arm_bones(pose, look) + ([] if gone else bones), limits)
    if surface is None:
        return None
    colour = paint(surface, look, scene.light, pose.size)
    alpha = surface.alpha
    hand = alpha * (surface.kind == HAND)
    if not gone and action.carries(moment.time) > 0:
        thing, cover = _held(surface, pose, grip, scene, rng)
        # Behind the parts of the hand that are nearer to the viewer.
        front = cover * ((surface.height < float(grip[2])) | (alpha < 0.5))
        colour += front[..., None] * (thing - colour)
        hand = hand * (1 - front)
        alpha = np.maximum(alpha, cover)
    depth = (26 if mine else 18) * scene.unit
    layer = Layer(surface.x, surface.y, colour, alpha, hand, action.name, depth)
    after = pose_at(action, scene, replace(moment, time=moment.time + 1))
    return _motion_blur(layer, (after.wrist - pose.wrist) * 0.7)


def _held(
    surface: Surface, pose: Pose, grip: np.ndarray, scene: Scene, rng: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What a hand holds at `grip`: on its patch, colour (h, w, 3) uint8, alpha (h, w) float32."""
    shape = surface.alpha.shape
    colour = np.zeros((*shape, 3), np.uint8)
    cover = np.zeros(shape, np.uint8)
    centre = grip[:2] - [surface.x, surface.y]
    out = unit_vector(grip[:2] - pose.wrist)
    angle = -math.degrees(math.atan2(out[0], -out[1]))
    if scene.activity == "CARDS":
        number = int(rng.integers(1, 6))
        high = pose.size * 0.52
        for index in range(number):
            turn = angle + (index - (number - 1) / 2) * -13
            up = np.array([-math.sin(math.radians(turn)), -math.cos(math.radians(turn))])
            corners = rectangle(centre + up * high * 0.3, high * 0.68, high, turn)
            draw_card(colour, corners, rng, not pose.left or pose.roll > 70)
            fill(cover, corners, OPAQUE)
    elif scene.activity == "CHESS":
        tone = np.clip(scene.wood * (1.08 if rng.random() < 0.5 else 0.35), 0, 255)
        high = pose.size * 0.25
        for image, paint_with in ((colour, tone), (cover, OPAQUE)):
            fill(image, rectangle(centre, high * 0.4, high, angle), paint_with)
            disc(image, centre + out * high * 0.5, (high * 0.26,) * 2, paint_with)
            disc(image, centre - out * high * 0.5, (high * 0.34,) * 2, paint_with)
    elif scene.activity == "JENGA":
        turn = angle + rng.uniform(-50, 50)
        corners = rectangle(centre, pose.size * 0.5, pose.size * 0.16, turn)
        fill(colour, corners, np.clip(scene.wood, 0, 255))
        rim(colour, corners, scene.wood * 0.6, 3 * scene.unit)
        fill(cover, corners, OPAQUE)
    else:
        tone = rng.uniform(40, 230, 3)
        for image, paint_with in ((colour, tone), (cover, np.array(OPAQUE))):
            draw_puzzle_piece(image, centre, pose.size * 0.22, angle, paint_with)
        cover[cover > 0] = 255
    return colour, cover.astype(np.float32) / 255


def _motion_blur(layer: Layer, move: np.ndarray) -> Layer:
    """The layer as a shutter sees it that is open while it moves by `move`, (2,) pixels."""
    length = float(np.hypot(*move))
    if length < 4:
        return layer
    taps = min(math.ceil(length) | 1, 41)
    pad = taps // 2
    kernel = np.zeros((taps, taps), np.float32)
    half = move / length * (taps - 1) / 2
    line(kernel, [pad - half, pad + half], (1.0,), 1)
    kernel /= kernel.sum()

    def blurred(array: np.ndarray) -> np.ndarray:
        padded = cv2.copyMakeBorder(array, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
        return cv2.filter2D(padded, -1, kernel, borderType=cv2.BORDER_CONSTANT)

    alpha = blurred(layer.alpha)
    colour = blurred(layer.colour * layer.alpha[..., None]) / np.maximum(alpha, 1e-3)[..., None]
    return replace(
        layer,
        x=layer.x - pad,
        y=layer.y - pad,
        colour=colour,
        alpha=alpha,
        hand=blurred(layer.hand),
    )


def _developed(frame: np.ndarray, scene: Scene, rng: Generator) -> np.ndarray:
    """The frame as the camera delivers it: soft, toned, darker in the corners, noisy."""
    frame = cv2.GaussianBlur(frame, (0, 0), max(0.75 * scene.unit, 0.3))
    frame = cv2.LUT(frame, scene.tone)
    y, x = rng.integers(0, 64, 2)
    grain = scene.grain[y : y + frame.shape[0], x : x + frame.shape[1]]
    shaded = frame * scene.vignette
    shaded += grain
    return np.clip(shaded, 0, 255).astype(np.uint8)
