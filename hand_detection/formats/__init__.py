"""Data sets in other formats than KITTI's, read and written: one module a format.

`base` is what they share, `pixels` turns any image into one that the API reads, `convert`
makes this project's layout from a format and `export` goes the way back.
"""

from hand_detection.formats import coco, csv, kitti, voc, yolo
from hand_detection.formats.base import Format

FORMATS: dict[str, Format] = {
    "voc": voc.FORMAT,
    "coco": coco.FORMAT,
    "yolo": yolo.FORMAT,
    "kitti": kitti.FORMAT,
    "csv": csv.FORMAT,
}
