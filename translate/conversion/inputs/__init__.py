"""What goes into a conversion: folders, patterns and lists of images, and what keeps them safe."""
