"""Trained models on disk: bundles, their cards, imports and exports."""
