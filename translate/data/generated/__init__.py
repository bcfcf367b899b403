"""Generated images whose truth is known: maps of invented cities, portraits with hats, sketches of shoes."""
