"""Whether files have reached a store, which says so less surely than of records.

MLflow gives each file of a picture a random name, so that sending it again keeps two. And a proxy that answers anything
at all to the sending of a file, with the status 200, has taken it as far as MLflow's client can tell.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

FILES = 2
"""Files of a picture in MLflow's folder of images: the picture, and a small one for lists."""


class Listing:
    """The files that a store has of a run. Each folder is asked for once. Errors: those of MLflow's client."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._folders: dict[str, set[str]] = {}

    def has(self, name: str) -> bool:
        """Whether a file is there, by its path in the run."""
        return name in self._files(posixpath.dirname(name))

    def has_picture(self, key: str, event: Mapping[str, Any]) -> bool:
        """Whether both files of a journaled picture are there."""
        start = f"images/{key.replace('/', '~')}+step+{event['s']}+timestamp+{event['t']}+"
        # earlier versions of MLflow had `#` and `%` in the place of `~` and `+`
        names = [name.replace("#", "~").replace("%", "+") for name in self._files("images")]
        return sum(name.startswith(start) for name in names) >= FILES

    def _files(self, folder: str) -> set[str]:
        if folder not in self._folders:
            listed = self._client.list_artifacts(self._run_id, folder or None)
            self._folders[folder] = {str(file.path) for file in listed}
        return self._folders[folder]
