"""What an exposure is made of: beam, materials, detector, scatter.

`BoneXrayLib.exposure` puts it together.
"""
