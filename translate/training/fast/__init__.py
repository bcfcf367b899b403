"""Ways to compute a training step faster, and the trial that picks one of them."""
