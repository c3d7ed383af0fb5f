"""Model, losses, sampler, loop, checkpoints."""
