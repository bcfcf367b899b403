"""Formats of photographs: AVIF and HEIC, JPEG XL, JPEG 2000, JPEG-LS, JPEG XR, and the raw files of cameras."""
