"""Networks of image restoration: what comes out is what went in, repaired."""
