"""Several processes that train together, each on its own device: their places, what they share, how they start."""
