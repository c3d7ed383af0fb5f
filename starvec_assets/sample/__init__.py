"""The embedded sample: simulated stargazers over real repositories."""

SIMULATED = "simulated stargazers over real repositories"
"""Provenance of every artifact that was made from the sample."""
