"""The built-in stages of a pipeline: preprocess, train, infer, evaluate."""
