"""The training loop: players, optimizer steps, checkpoints, schedules, validation."""
