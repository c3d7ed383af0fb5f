"""Thin Dagster assets, one module a stage; only this package and cli/runs.py import dagster."""
