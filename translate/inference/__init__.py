"""Using trained models: bundles on disk, the translator, folders of images."""
