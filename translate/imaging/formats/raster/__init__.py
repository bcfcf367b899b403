"""Formats that hold samples as they are, or nearly so: QOI, PNM, Radiance HDR, OpenEXR, DICOM."""
