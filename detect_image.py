#!/usr/bin/env python3
"""Step 8: detect hands in images, and draw them. The same as ./detect_image.sh."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection import console, detect_image

    console.run(detect_image.main)
