"""The structure of each image format, checked on bytes before a decoder sees them."""
