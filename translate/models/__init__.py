"""Trained models on disk: bundles, their cards, imports and exports."""

from __future__ import annotations

from typing import Any

from translate.contracts import Method
from translate.markers import hookimpl


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    """The one built-in method: a network that was trained elsewhere."""
    from translate.models.single_network import SingleNetwork

    return [SingleNetwork]
