"""Trainings from Python, for data, methods and networks that no pipeline file can name."""
