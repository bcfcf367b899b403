"""A bundle as an MLflow model: the files that say so, and the function that MLflow calls."""
