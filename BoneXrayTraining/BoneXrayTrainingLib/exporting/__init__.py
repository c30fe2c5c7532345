"""From a run's folder to a model's: weights in few bits, ONNX, the card."""
