"""How records reach a store: what its answers mean, and points that arrive once whatever happens on their way."""
