"""What tells a radiograph from other pictures, and bright bones from dark ones.

`BoneXrayLib.domain` says it in words.
"""
