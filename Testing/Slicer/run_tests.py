"""Runs this folder's tests inside Slicer and ends it with exit code 0 or 1 (see README.md)."""

import sys
import unittest
from pathlib import Path

import slicer.util

sys.path.insert(0, str(Path(__file__).parent))

import bonexray_groups_in_slicer
import bonexray_in_slicer
import bonexray_layers_in_slicer
import bonexray_leg_in_slicer
import bonexray_segments_in_slicer
import bonexraytraining_in_slicer

suite = unittest.TestSuite()
for module in (
    bonexray_in_slicer,
    bonexray_groups_in_slicer,
    bonexray_segments_in_slicer,
    bonexray_layers_in_slicer,
    bonexray_leg_in_slicer,
    bonexraytraining_in_slicer,
):
    suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
result = unittest.TextTestRunner(verbosity=2).run(suite)
slicer.util.exit(0 if result.wasSuccessful() else 1)
