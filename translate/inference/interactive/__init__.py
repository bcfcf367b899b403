"""A translator in the hands of somebody who writes Python: its description, and its directions as modules of torch."""
