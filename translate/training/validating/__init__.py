"""Looking at a training while it runs: scores, pictures, the best step so far, and trouble in the game."""
