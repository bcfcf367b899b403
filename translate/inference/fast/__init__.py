"""Networks as a device computes them fastest, and what was found out about that."""
