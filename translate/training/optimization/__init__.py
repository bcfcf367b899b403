"""Optimizers and schedules by name: those of the engine, and those of torch."""
