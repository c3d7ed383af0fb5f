"""Vectors of GitHub repositories and people, learned from public stars."""
