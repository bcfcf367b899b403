"""The weights of a training's networks: which of them stay, and which are held within bounds."""
