"""Colour spaces: profiles that files bring or describe, and the spaces that networks see."""
