"""The embedded sample: simulated stargazers over real repositories."""

SIMULATED = "simulated stargazers over real repositories"
"""What everything made of the sample says of itself."""
