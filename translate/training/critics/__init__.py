"""Critics: which networks they are, what they see, and how quickly they may change."""
