"""Images from nothing: a folder of samples, and sheets of what lies between them."""
