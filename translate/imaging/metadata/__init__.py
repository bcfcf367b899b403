"""What files say beside pixels: read from their bytes, changed where an output differs, and put into other files."""
