"""What a user's vector shows: linear probes for the skill radar, cosine percentiles, well-known developers."""
