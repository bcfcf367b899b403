"""Fixed networks with published weights: where the files come from, and what looks at images with them."""
