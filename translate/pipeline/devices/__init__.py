"""Pipelines that run in several processes, one on each device."""
