"""Starts of stages that did not finish, and what `run --continue` goes on from."""
