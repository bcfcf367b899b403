"""Trained networks in use: images in, images out."""
