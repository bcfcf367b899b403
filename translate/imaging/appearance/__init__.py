"""How images look to networks, by transparency, white and colour; and the way back to how their files had them."""
