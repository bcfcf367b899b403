"""Images larger than memory: networks run strip by strip, with the result of the whole image."""
