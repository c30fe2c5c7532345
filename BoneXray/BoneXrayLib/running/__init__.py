"""What computes a network: its layers in torch, packed weights, runtimes, tiles.

`BoneXrayLib.inference` asks it.
"""
