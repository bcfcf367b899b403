"""The second pass over a pipeline: its stages against their classes, their needs, and what they check."""
