"""`translate init`: a pipeline file for a folder of images."""
