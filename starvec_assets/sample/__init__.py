"""The embedded sample: simulated stargazers over real repositories."""
