"""The health of a game: what is measured of it beside its losses, and warnings in plain words."""
