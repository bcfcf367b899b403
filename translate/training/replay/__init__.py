"""Whole steps that a GPU records once and replays, so that no time goes into queueing their thousands of kernels."""
