"""Weights of the two models of `domain.py`, as `Testing/benchmarks/domain.py` fits them."""

#: Log odds against a radiograph where all numbers are 0: photograph, ultrasound, screenshot.
KIND_OFFSETS = (16.774, 14.587, 8.255)
#: What one unit of each of `image_statistics.KIND_NAMES` adds to them.
KIND_WEIGHTS = {
    "steps": (-0.114, 0.703, 0.866),
    "even": (-5.828, -7.474, 10.198),
    "fine": (0.209, 2.398, 2.021),
    "middle": (4.911, -0.655, 1.953),
    "coarse": (2.906, 0.962, -0.269),
    "fine tails": (0.297, -2.009, -1.515),
    "middle tails": (-0.999, -0.373, -2.305),
    "coarse tails": (-0.287, -1.579, 2.664),
    "along axes": (-7.022, -7.509, 2.882),
    "grain": (-0.034, -1.902, 1.901),
    "sideways": (0.532, -2.257, -0.605),
    "black": (6.372, -24.704, -1.006),
    "white": (-3.371, 10.280, 3.821),
    "busy": (1.136, 2.641, 4.117),
}
#: What one unit of each of `image_statistics.POLARITY_NAMES` adds to the log odds of bone bright.
POLARITY_WEIGHTS = {
    "border": 2.078,
    "corners": 1.675,
    "skew": 1.468,
    "fine skew": 2.594,
    "middle skew": 0.157,
    "coarse skew": -2.513,
    "ridges": 0.269,
    "broad ridges": -7.816,
    "texture": -0.544,
    "ends": 7.513,
    "border ends": -2.299,
    "border thirds": -0.744,
    "frame": 0.902,
}
