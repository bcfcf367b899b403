"""The games of the lectures on adversarial networks: images out of latent vectors, with classes and codes."""

from __future__ import annotations

from typing import Any

from translate import Method, Network, hookimpl
from translate_latent.acgan import ACGAN
from translate_latent.bigan import BiGAN
from translate_latent.conditional import Conditional
from translate_latent.dcgan import DCGAN, WGANGP
from translate_latent.infogan import InfoGAN
from translate_latent.networks import Critic, Generator
from translate_latent.semi_supervised import SemiSupervised


@hookimpl
def translate_methods() -> list[type[Method[Any]]]:
    return [DCGAN, WGANGP, Conditional, ACGAN, InfoGAN, BiGAN, SemiSupervised]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    return [Generator, Critic]
