"""Sweeps: a pipeline run once for each combination of some values, and compared in one table."""
