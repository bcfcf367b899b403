"""The marks of hooks: `hookspec` declares one, `hookimpl` implements it."""

import pluggy

hookspec = pluggy.HookspecMarker("translate")
hookimpl = pluggy.HookimplMarker("translate")
"""Marks a function as the implementation of the hook of the same name."""
