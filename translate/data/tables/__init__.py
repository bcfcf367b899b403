"""Tables of images: rows of files, classes and numbers, from text, Parquet and shards."""
