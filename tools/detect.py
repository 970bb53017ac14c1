#!/usr/bin/env python3
"""Detect in images, videos and cameras with an exported model. All options: tools/detect.py -h"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection import console, detect

    console.run(detect.main)
