"""What is in Slicer's scene: nodes, views and layouts, jobs, parameters, logic.

Every file needs Slicer.
"""
