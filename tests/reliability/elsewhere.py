"""A step with other places for what it makes: elsewhere.py FOLDER MODULE ARGUMENTS."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hand_detection import console, paths

folder = Path(sys.argv[1])
# Before a module takes them over.
paths.RUNS, paths.EXPORTED = folder / "runs", folder / "exported"
module = importlib.import_module(f"hand_detection.{sys.argv[2]}")
sys.argv[1:] = sys.argv[3:]
console.run(module.main)
