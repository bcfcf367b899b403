"""The built-in methods, registered by the hooks that plugins implement."""

from __future__ import annotations

from typing import Any

from translate.contracts import Method
from translate.markers import hookimpl
from translate.models.single_network import SingleNetwork


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    """The one built-in method: a network that was trained elsewhere."""
    return [SingleNetwork]
