"""What a step is trained on: crops of samples, varied, in pools that keep up."""
