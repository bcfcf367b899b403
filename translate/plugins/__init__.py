"""Plugins: discovery by metadata, loading one at a time, and the registry of everything that a pipeline can name."""

from translate.plugins.discovery import ENGINE, Plugin
from translate.plugins.options import KeyProblem, resolve, used, validate
from translate.plugins.registry import Registry
from translate.plugins.shapes import KINDS
from translate.plugins.switches import switched, switches

__all__ = ["ENGINE", "KINDS", "KeyProblem", "Plugin", "Registry", "resolve", "switched", "switches", "used", "validate"]
