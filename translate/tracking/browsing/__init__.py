"""How a run looks in the MLflow UI: the names of its curves, its description, its columns, and its links."""
