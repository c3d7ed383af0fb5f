"""Training: sampler, losses, optimizer, loop, checkpoints and sweep."""

import os

# Read by libgomp when torch loads it: a thread that waits for the others soon sleeps instead of spinning, which more
# than doubles the time of a step on a machine that is shared with anything else.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
