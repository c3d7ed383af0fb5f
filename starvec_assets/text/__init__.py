"""Text about a repository to a vector."""
