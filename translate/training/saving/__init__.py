"""What a training saves, and how: a registry of its state, checkpoints on disk, and the way back."""
