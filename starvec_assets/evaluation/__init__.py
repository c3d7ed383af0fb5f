"""Scores of vectors on awesome lists and held-out users, baselines, the export gate, and diagnostics."""
