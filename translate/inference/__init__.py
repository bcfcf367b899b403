"""Using trained models: bundles on disk, the translator, folders of images."""

from __future__ import annotations

from typing import Any

from translate.contracts import Method
from translate.hookspecs import hookimpl


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    """The one built-in method: a network that was trained elsewhere."""
    from translate.inference.single import SingleNetwork

    return [SingleNetwork]
