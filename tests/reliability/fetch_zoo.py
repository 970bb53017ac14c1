"""Step 2 with another model zoo and another place: fetch_zoo.py ADDRESS FOLDER CHECKPOINT."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hand_detection import console, models, pretrained

pretrained.ZOO, folder = sys.argv[1], Path(sys.argv[2])
pretrained.BUILD = folder / "build"
pretrained.PRETRAINED = models.PRETRAINED = folder / "pretrained"
sys.argv[1:] = sys.argv[3:]
console.run(pretrained.main)
