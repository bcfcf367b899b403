"""TIFF: its directories, the pages that are one image, and the samples in them."""
