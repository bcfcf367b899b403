"""Networks as state dicts of the programs that they come from: `translate models export --format pth`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import Config, Image
from translate.errors import ConfigError, ContractError
from translate.inference.translator import Translator
from translate.models.bundle import read_bundle
from translate.models.exporter import Exported, Exporter
from translate.models.foreign.reference_import import METHOD
from translate.networks import Layout, Network
from translate.storage.atomic import write_bytes
from translate.text import suggest

SUFFIX = ".pth"
TOLERANCE = 1e-4
"""The largest difference between a direction's output and that of its network alone."""


class PthConfig(Config):
    """Options of `pth`."""

    layout: str = "auto"
    """The program whose names the tensors get: `reference` (pytorch-CycleGAN-and-pix2pix), `cut`, `esrgan`,
    `esrgan-old`, `real-esrgan`, `srgan`, or one of a plugin. `auto`: that of the file that the model was imported
    from, else the first that has such a network."""


@dataclass(frozen=True)
class _Source:
    """The network of a direction, as it was built, its weights as they are stored, and the values of its images."""

    name: str
    net: Network[Any]
    state: Mapping[str, Tensor]
    takes: str
    gives: str


class Pth(Exporter[PthConfig]):
    """A state dict of torch.save (.pth) for each direction, which the programs that the networks come from load as
    their own: U-Nets and ResNets, CUT's ResNet, ESRGAN's RRDB."""

    name, suffix = "pth", SUFFIX

    def export(self, model: Translator, files: Mapping[str, Path]) -> Iterable[Exported]:
        return [self._write(model, direction, file) for direction, file in files.items()]

    def _write(self, model: Translator, direction: str, file: Path) -> Exported:
        source = _source(model, direction)
        layout = self._layout(model, source)
        keys = layout.keys(source.net)
        if trained := [key for key in layout.zeros(source.net) if source.state[key].any()]:
            raise ContractError(
                f"exporter pth: without norms the convolutions of {layout.program} have no bias, and {len(trained)} "
                f"here do, such as {trained[0]}; `--format onnx` takes them"
            )
        state = {theirs: source.state[ours] for ours, theirs in keys.items()} | layout.constants(source.net)
        warnings = _warnings(model, source)
        if (layout.takes, layout.gives) != (source.takes, source.gives):
            warnings.append(_fold(source, layout, keys, state))
        buffer = io.BytesIO()
        torch.save(layout.content({name: value.clone() for name, value in state.items()}), buffer)
        write_bytes(file, buffer.getvalue())
        note = f"{len(state)} tensors of {source.name}, as {layout.program} names them"
        if advice := layout.advice(source.net):
            running = model.method.test_time.norm == "running" and _has_batch_norm(source.net)
            note += f"; there: {advice}{layout.eval_switch if running else ''}"
        facts = {"layout": layout.name, "program": layout.program, "tensors": len(state)}
        return Exported(direction, file, note, tuple(warnings), facts)

    def _layout(self, model: Translator, source: _Source) -> Layout:
        """The layout that is asked for, or fits. Errors: ConfigError, ContractError where there is none."""
        layouts, wanted = list(source.net.layouts), self.config.layout.lower()
        if wanted != "auto":
            named = [layout for layout in layouts if layout.name == wanted]
            if not named:
                names = [layout.name for layout in layouts]
                near = suggest(wanted, names) or f"; there are {', '.join(names)}"
                raise ConfigError(f"--set layout={wanted}: network {source.net.name} has no such layout{near}")
            layouts = named
        program = (model.info.get("imported") or {}).get("layout")
        layouts.sort(key=lambda layout: layout.program != program)  # a stable sort: the others stay in their order
        reasons = []
        for layout in layouts:
            try:
                layout.keys(source.net)
            except ConfigError as error:
                reasons.append(str(error))
            else:
                return layout
        raise ContractError(f"exporter pth: {'; '.join(reasons)}")


def _source(model: Translator, direction: str) -> _Source:
    """What is written for a direction. Errors: ContractError where a state dict alone would not do the same."""
    route, names = model.route(direction), model.method.directions[direction].nets
    why = f"exporter pth: direction {str(direction)!r}"
    if len(names) != 1:
        raise ContractError(f"{why} runs {len(names)} networks ({', '.join(names)}), and a file holds one")
    if len(route.inputs) != 1 or not isinstance(route.types[route.inputs[0]], Image):
        raise ContractError(f"{why} takes {', '.join(route.inputs) or 'no image'}, and not one image alone")
    (name,) = names
    net = model.nets.get(name)
    if not isinstance(net, Network) or not net.layouts:
        kind = getattr(net, "name", type(net).__name__)
        raise ContractError(
            f"{why}: no other program is known whose names fit its network, {kind}; `--format onnx` needs none"
        )
    takes, gives = "signed", "signed"
    if model.info.get("method") == METHOD:
        takes, gives = model.method.config.takes, model.method.config.gives
    _check_alone(model, direction, net, takes, gives, why)
    with torch.device("meta"):  # as it was before its norms were prepared for inference
        fresh = type(net)(net.config, in_channels=net.in_channels, out_channels=net.out_channels)
    return _Source(name, fresh, read_bundle(Path(model.info["folder"])).state(name), takes, gives)


def _check_alone(model: Translator, direction: str, net: nn.Module, takes: str, gives: str, why: str) -> None:
    """Errors: ContractError where a direction does more to an image than its network does."""
    plain = model.without_dropout()
    route = plain.route(direction)
    multiple = plain.program.multiple(route)
    size = multiple * -(-32 // multiple)
    channels = getattr(net, "in_channels", 3)
    images = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    (name,) = plain.method.directions[direction].nets
    with torch.inference_mode():
        try:
            expected = plain.translate_tensor(images, direction)
            alone = _run(plain.nets[name], images, takes, gives)
        except (RuntimeError, ValueError, TypeError) as error:
            raise ContractError(f"{why}: its network does not take the images as they are ({error})") from None
    if expected.shape != alone.shape or float((expected - alone).abs().max()) > TOLERANCE:
        raise ContractError(
            f"{why}: the method {model.info.get('method')} does more to an image than its network, which a state dict "
            "cannot hold; `--format onnx` can"
        )


def _run(net: nn.Module, images: Tensor, takes: str, gives: str) -> Tensor:
    """The network's output for images in [-1, 1], likewise."""
    output: Tensor = net((images + 1) / 2 if takes == "unit" else images)
    return output * 2 - 1 if gives == "unit" else output


def _fold(source: _Source, layout: Layout, keys: Mapping[str, str], state: dict[str, Tensor]) -> str:
    """Changes the first and the last convolution in `state` to those of a program with other values; says what differs.

    With u = (x + 1) / 2, w x + b = 2 w u + (b - sum w): exact inside. At the border the program pads with zeros, which
    are black there, and the middle grey here.
    """
    first, last = layout.outer(source.net)
    if not first or source.takes != "signed" or source.gives != "signed":
        raise ConfigError(
            f"exporter pth: the images of {layout.program} are {layout.takes}, those of this network {source.takes}"
        )
    text = []
    if layout.takes == "unit":
        weight, bias = (keys[f"{first}.{each}"] for each in ("weight", "bias"))
        state[bias] = state[bias] - state[weight].double().sum((1, 2, 3)).float()
        state[weight] = state[weight] * 2
        text.append(
            "its images are in [0, 1], which the first convolution allows for; at the outermost pixels it sees black "
            "beyond the image, where this model was trained with grey"
        )
    if layout.gives == "unit":
        weight, bias = (keys[f"{last}.{each}"] for each in ("weight", "bias"))
        state[weight], state[bias] = state[weight] / 2, state[bias] / 2 + 0.5
    return "; ".join(text)


def _warnings(model: Translator, source: _Source) -> list[str]:
    if model.program.drops:
        return ["dropout, which this model keeps on, is on there only without the program's `--eval`"]
    return []


def _has_batch_norm(net: nn.Module) -> bool:
    layers: Sequence[nn.Module] = list(net.modules())
    return any(isinstance(layer, nn.BatchNorm2d) for layer in layers)
