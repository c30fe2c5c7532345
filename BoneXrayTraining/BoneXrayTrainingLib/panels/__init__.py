"""The groups of the training panel, and the command it starts.

Every file needs Slicer.
"""
