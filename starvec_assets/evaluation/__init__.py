"""Awesome-list ground truth, ranking metrics, baselines."""
