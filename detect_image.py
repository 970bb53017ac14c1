#!/usr/bin/env python3
"""Step 8: detect hands in images, and draw them. The same as ./detect_image.sh."""

from hand_detection import venv

if __name__ == "__main__":
    venv.enter()
    from hand_detection import console, detect_image

    console.run(detect_image.main)
