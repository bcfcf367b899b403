"""CycleGAN, which translates without pairs, and CyCADA, which adapts a classifier with it."""

from __future__ import annotations

from typing import Any

from translate import Method, Network, hookimpl
from translate_cyclegan.cycada import CyCADA
from translate_cyclegan.cyclegan import CycleGAN
from translate_cyclegan.networks import Classifier


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [CycleGAN, CyCADA]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [Classifier]
