"""A shape and its pose, fitted to what images show of a bone.

`BoneXrayLib.reconstruction` runs the fit.
"""
