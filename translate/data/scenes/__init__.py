"""Scenes: images that are cut into tiles without being decoded as a whole."""
