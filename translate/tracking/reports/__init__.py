"""`report.html`: everything that was tracked of a pipeline, on one page that needs no network and no server."""
