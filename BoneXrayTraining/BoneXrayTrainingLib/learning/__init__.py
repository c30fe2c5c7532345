"""How a network learns: configuration, losses, optimisers, steps, checkpoints."""
