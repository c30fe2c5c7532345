"""The groups of the panel, a file each.

Every file needs Slicer.
"""
