"""How well overlapping bones are pulled apart, beside answers that need no learning."""
