"""The runs that were tracked here: listed, compared, and cleaned up, from their journals, without a server."""

from translate.tracking.listing.clean import Cleaning, Leftover, of_records, plan, remove
from translate.tracking.listing.compare import compared, listed, to_json
from translate.tracking.listing.records import RunRecord, Score, find_runs, list_runs

__all__ = [
    "Cleaning",
    "Leftover",
    "RunRecord",
    "Score",
    "compared",
    "find_runs",
    "list_runs",
    "listed",
    "of_records",
    "plan",
    "remove",
    "to_json",
]
