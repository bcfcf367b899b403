"""Distances and tests of two sets of vectors: Fréchet, kernels, neighbours, transport, collisions. No images here."""
