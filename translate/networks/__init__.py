"""Networks: generators, discriminators, and what can be asked of them."""

from __future__ import annotations

from typing import Any

from translate.markers import hookimpl
from translate.networks.blocks import norm_layers, stack
from translate.networks.build import network_builder
from translate.networks.colour import to_lab, to_rgb
from translate.networks.inference import batched, prepare_for_inference, separate_calls
from translate.networks.layers import features_of
from translate.networks.layouts.layout import Guess, Layout, Shapes
from translate.networks.measure import count_parameters, parameters_by_network, receptive_field
from translate.networks.network import Network, NetworkConfig
from translate.networks.patchgan import PatchGAN, PixelGAN
from translate.networks.pretrained.features import VGG19, RandomFeatures, feature_distance
from translate.networks.resample import bicubic
from translate.networks.resnet import BlurredResNet, ResNet
from translate.networks.resnet_antialiased import AntialiasedResNet
from translate.networks.restoration.nafnet import NAFNet
from translate.networks.restoration.swinir import SwinIR
from translate.networks.unet import UNet
from translate.networks.upsample import Upsample, doubling, shuffling

__all__ = [
    "Guess",
    "Layout",
    "Network",
    "NetworkConfig",
    "PatchGAN",
    "PixelGAN",
    "ResNet",
    "Shapes",
    "UNet",
    "Upsample",
    "batched",
    "bicubic",
    "count_parameters",
    "doubling",
    "feature_distance",
    "features_of",
    "network_builder",
    "norm_layers",
    "parameters_by_network",
    "prepare_for_inference",
    "receptive_field",
    "separate_calls",
    "shuffling",
    "stack",
    "to_lab",
    "to_rgb",
]


@hookimpl
def translate_networks() -> list[type[Network[Any]]]:
    """The built-in networks, and their presets of the papers."""
    return [
        ResNet,
        *(ResNet.preset(f"resnet_{blocks}", blocks=blocks) for blocks in (6, 9)),
        UNet,
        *(UNet.preset(f"unet_{2**levels}", levels=levels) for levels in (6, 7, 8, 9)),
        PatchGAN,
        PixelGAN,
        VGG19,
        RandomFeatures,
        BlurredResNet,
        AntialiasedResNet,
        NAFNet,
        SwinIR,
    ]
