"""What networks are asked about overlapping bones, and what becomes of their answers.

`BoneXrayLib.layers` pulls bones apart.
"""
