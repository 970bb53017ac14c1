"""Detection in what people have: pictures, videos, cameras. The parts of `hand_detection.detect`.

sources.py    inputs -> frames, one after the other
loop.py       the job
overlap.py    stages that run at the same time, each in a thread
results.py    a frame with what was found in it, and its picture with the boxes
tables.py     results -> COCO JSON, CSV, KITTI
pictures.py   results -> image files, a video, a window
opencv.py     OpenCV, without what its libraries print
"""
