"""Image files: one read path, one write path, and arithmetic on pixels."""
