"""Files and folders that are either whole or absent, manifests that say what a folder holds, and locks."""
