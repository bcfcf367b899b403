"""Calls of a translator: images in every form that people hold them, one by one or in batches."""
