"""Networks of other programs: their checkpoints read, and ours written in their layouts."""
