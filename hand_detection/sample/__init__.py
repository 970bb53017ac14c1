"""A generated data set in the layout of EgoHands, to run every step without the real one.

Each video is a scene seen from the head of one of two players at a table: the table and
what lies on it, the partner, and up to four articulated hands. A hand is a set of tapered
capsules in three dimensions, posed by joint angles and drawn as a shaded height map; its
polygon is the outline of what the frame shows of it, followed a little beyond the frame.

    names.py    what EgoHands calls its videos and hands
    solids.py   capsules -> height map -> shaded colours
    layers.py   what lies over what: drawing, shadows, and the polygons that are left
    hands.py    the hand model: joints and poses -> capsules
    things.py   cards, pieces, blocks, mugs
    scene.py    what stays the same in a video: room, partner, table, light
    motion.py   what the four hands do in a video
    video.py    one moment -> a frame and its polygons; all of them -> a video
    archive.py  videos -> the zip: `generate`

Each module imports only from those above it. Images are BGR, uint8. Positions are in pixels,
0-based, x right, y down, and z towards the viewer; only the polygons are 1-based, as EgoHands'
own. A function that takes `rng` draws from it in a fixed order: a draw added or moved changes
every picture after it, and `VERSION` then goes up.
"""

from hand_detection.sample.archive import generate

__all__ = ["generate"]
