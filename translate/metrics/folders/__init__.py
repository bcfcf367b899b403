"""Two folders of images, scored against each other as `translate evaluate A B` does it."""
