"""Legs from bones: femur and tibia from files or shape models, joined at the knee, in flesh.

config    how many, how they stand, how they are looked at
landmarks found by the geometry of a surface; marking: as a shape model has them
bones     what there is to draw from
standing  femur and tibia joined, fibula, kneecap, talus and hip bone beside them
patient   a CT of them, with all that is marked
"""

from __future__ import annotations
