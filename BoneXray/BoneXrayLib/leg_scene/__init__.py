"""The leg's part of Slicer's scene: markups, models, words, logic.

Every file needs Slicer.
"""
