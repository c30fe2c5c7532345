"""Weights of the two models of `domain.py`, as `Testing/benchmarks/domain.py` fits them.

Those of the polarity come from more draws of its examples (6 a projection, 40 a real radiograph).
"""

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
#: What one unit of each of `polarity_statistics.POLARITY_NAMES`, in its three rows, adds to the log
#: odds of bone bright.
POLARITY_WEIGHTS = {
    "border": (1.002, -4.083, 0.634),
    "corners": (1.545, -0.953, 1.301),
    "skew": (1.075, -1.239, -0.240),
    "fine skew": (1.072, 6.568, -0.314),
    "middle skew": (0.728, 2.141, -0.727),
    "coarse skew": (-0.710, 0.904, 0.323),
    "ridges": (2.832, -0.596, 2.136),
    "broad ridges": (-0.269, -32.605, -1.338),
    "texture": (0.011, 5.715, 1.851),
    "ends": (3.385, 8.608, 4.120),
    "border ends": (-1.344, -11.798, 1.261),
    "border thirds": (-0.375, -11.870, -0.755),
    "frame": (1.326, -2.836, 0.489),
    "tissue fine ridges": (7.512, 12.601, -1.839),
    "tissue ridges": (4.988, -1.547, -2.568),
    "tissue broad ridges": (4.266, 4.863, -0.518),
    "tissue fine lean": (-11.715, -11.181, -19.830),
    "tissue middle lean": (8.339, -4.736, -1.309),
    "tissue coarse lean": (-0.083, -22.696, -11.060),
    "tissue texture": (1.997, 1.626, 3.514),
    "tissue broad texture": (-1.884, -12.927, -2.386),
    "tissue lean": (-0.026, -0.982, 0.282),
    "tissue level": (-0.794, 12.926, 5.365),
}
