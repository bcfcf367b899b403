"""Batches of a prepared dataset: what a step shows, and the processes that make it ahead."""
