"""Label maps from files: how their values or colours are read as classes, and what a set of them holds."""
