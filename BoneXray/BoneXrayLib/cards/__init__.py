"""What a model's folder says of itself: its card, checked, and the files beside it.

`BoneXrayLib.models` lists, verifies and reads the folders.
"""
