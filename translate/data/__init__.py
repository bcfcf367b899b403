"""Images on their way to a network: sources, transforms, datasets, loaders."""
