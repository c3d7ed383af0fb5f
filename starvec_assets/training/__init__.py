"""Model, losses, sampler, loop, checkpoints."""

import os

# Read by libgomp when torch loads it: a thread that waits for the others sleeps soon instead of spinning for as long as
# the operating system lets it. On a machine shared with anything else spinning more than doubles the time of a step.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
