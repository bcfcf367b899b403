"""Converting folders of images: a plan, a journal, and one row of results for every input."""
