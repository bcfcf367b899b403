"""Trained models in a tracking store: kept checkpoints as logged models, the registry's versions, and fetching them."""
