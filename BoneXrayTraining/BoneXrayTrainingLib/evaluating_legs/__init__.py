"""How well features of a leg are found and its bones rebuilt, subjects left out in turn."""
