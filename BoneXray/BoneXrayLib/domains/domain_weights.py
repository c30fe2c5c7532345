"""Weights of the two models of `domain.py`, as `Testing/benchmarks/domain.py` fits them."""

#: Log odds against a radiograph where all numbers are 0: photograph, ultrasound, screenshot.
KIND_OFFSETS = (16.35, 12.52, 13.16)
#: What one unit of each of `image_statistics.KIND_NAMES` adds to them.
KIND_WEIGHTS = {
    "steps": (0.273, 1.036, 1.203),
    "even": (-3.944, -6.935, 15.830),
    "fine": (-0.300, 1.979, 2.398),
    "middle": (4.160, -2.046, 1.949),
    "coarse": (2.090, 2.117, -0.153),
    "fine tails": (0.108, -1.871, -1.759),
    "middle tails": (-0.732, -0.673, -1.398),
    "coarse tails": (-0.667, -0.339, 0.563),
    "along axes": (-7.929, -5.914, 1.233),
    "grain": (-4.753, -6.447, -0.948),
    "sideways": (0.257, -1.715, -1.374),
    "black": (5.798, -34.493, 4.278),
    "white": (-3.515, 8.806, 4.651),
    "busy": (2.052, 5.049, 2.560),
}
#: What one unit of each of `POLARITY_NAMES` adds to the log odds of bone bright.
POLARITY_WEIGHTS = {
    "border": 0.780,
    "corners": 1.380,
    "skew": 1.513,
    "fine skew": 2.671,
    "middle skew": 0.735,
    "coarse skew": -2.592,
    "ridges": 1.639,
    "broad ridges": -9.220,
    "texture": 0.672,
    "ends": 7.878,
    "border ends": -1.851,
    "border thirds": -1.724,
    "frame": 1.948,
}
