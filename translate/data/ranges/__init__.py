"""The range of values of a side: stated, or found in its training images."""
