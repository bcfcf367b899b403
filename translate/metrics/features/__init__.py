"""Spaces in which sets of images are compared: an image becomes a vector of numbers."""
