"""Kornia's augmentations: any of them by its own name with its own options on whole batches,
`device_augment: [{uses: kornia/RandomAffine, degrees: 10}]`.

Their parameters are drawn on the CPU, which makes them the same on every device. Images go through them in [0, 1],
where zero is black; label maps go as masks, shifted by one so that zero, which fills what comes from outside, is no
class.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor

from translate.contracts import IGNORE, Config, DeviceTransform
from translate.data.signature_options import config_of, values
from translate.errors import DataError
from translate.markers import hookimpl
from translate.networks.kornia_functions import augmentations, nearest

Size = tuple[int, int]

LEFT_OUT = {
    **dict.fromkeys(("Normalize", "Denormalize"), "changes the range of images"),
    **dict.fromkeys(("RandomDissolving",), "downloads a network"),
    **dict.fromkeys(("PatchMix", "RandomCutMixV2", "RandomJigsaw", "RandomMixUpV2", "RandomMosaic"), "mixes images"),
    **dict.fromkeys(("AugmentationSequential", "ImageSequential", "PatchSequential"), "is a list of others"),
}
"""Augmentations of the library that a pipeline cannot use: what each does that has no place there."""
_ENGINES = frozenset({"keepdim", "p_batch"})
"""Options of the library that the engine decides: batches stay batches."""


class Kornia(DeviceTransform[Config]):
    """An augmentation of the library, applied to the images of a batch with the same draws."""

    library_name: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]]

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.module = _made(self.library_name, self.parameters, values(config))

    def __call__(self, batch: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        done = dict(batch)
        for side, values_ in batch.items():
            if not values_.is_floating_point() and values_.ndim == 3:
                done[side] = self._labels(values_, seed)
            elif values_.ndim == 4:
                done[side] = self._images(values_, seed)
            elif values_.ndim == 5:  # frames: those of one key get one draw
                frames = [self._images(frame, seed) for frame in values_.unbind(1)]
                done[side] = torch.stack(frames, 1)
        return done

    def size(self, before: Size) -> Size:
        blank = self._images(torch.zeros(1, 3, *before), 0)
        return blank.shape[2], blank.shape[3]

    def _images(self, images: Tensor, seed: int) -> Tensor:
        with drawing(seed), self._explained(images), torch.no_grad():
            unit = images.add(1).div(2)
            output: Tensor = self.module(unit, params=self.module.forward_parameters(unit.shape))
        return output.clamp(0, 1).mul(2).sub(1).contiguous()

    def _labels(self, labels: Tensor, seed: int) -> Tensor:
        """Label maps under the geometry that images get from the same seed; changes of colour leave them alone."""
        module, colours = self.module, augmentations().IntensityAugmentationBase2D
        if type(module).apply_transform_mask is colours.apply_transform_mask:
            return labels
        shifted = torch.where(labels == IGNORE, 0, labels + 1)[:, None].float()
        with drawing(seed), self._explained(labels), torch.no_grad():
            params = module.forward_parameters(shifted.shape)
            module(shifted, params=params)  # finds the matrix that masks are moved by, where there is one
            matrix = getattr(module, "transform_matrix", None)
            # said here, since not all of the library's own handlers of masks say it
            resample = {"resample": nearest()} if "resample" in module.flags else {}
            moved = module.transform_masks(shifted, params, module.flags, transform=matrix, **resample)
        indices = moved[:, 0].round().long()
        return torch.where(indices == 0, IGNORE, indices - 1)

    @contextmanager
    def _explained(self, values_: Tensor) -> Iterator[None]:
        """Turns what the library raises into a DataError."""
        try:
            yield
        except Exception as error:
            what = f"a batch of the shape {tuple(values_.shape)}"
            if isinstance(error, NotImplementedError) and not values_.is_floating_point():
                raise DataError(f"kornia/{self.library_name} cannot move label maps") from None
            raise DataError(f"kornia/{self.library_name} cannot take {what}: {error}") from None


@hookimpl
def translate_device_transforms() -> dict[str, type[DeviceTransform[Any]]]:
    """Every augmentation of batches of images that a pipeline file can use, by the library's name for it."""
    library = augmentations()
    classes: dict[str, type[DeviceTransform[Any]]] = {}
    for name, kind in sorted(vars(library).items()):
        usable = inspect.isclass(kind) and issubclass(kind, library.AugmentationBase2D)
        if usable and "Base" not in name and name not in LEFT_OUT:
            classes[name] = _named(name, kind)
    return classes


def _named(name: str, kind: Any) -> type[Kornia]:
    """The class of an augmentation of the library; its options are the arguments of its constructor."""
    parameters = dict(inspect.signature(kind.__init__).parameters)
    parameters = {k: p for k, p in parameters.items() if k not in ("self", *_ENGINES) and p.kind is not p.VAR_KEYWORD}
    annotations = typing.get_type_hints(kind.__init__)
    config = config_of(
        name, parameters, annotations, lambda options: _made(name, annotations, options), doc=kind.__doc__ or ""
    )
    about = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
    facts = {"name": name, "library_name": name, "parameters": annotations, "Config": config}
    return type(name, (Kornia,), {**facts, "__doc__": about, "__module__": __name__})


def _made(name: str, annotations: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """The library's module. Errors: ValueError, TypeError with the library's words on the options."""
    arguments = dict(options)
    for key, annotation in annotations.items():
        if annotation is Tensor and isinstance(arguments.get(key), tuple | float | int):
            arguments[key] = torch.tensor(arguments[key])
    try:
        return getattr(augmentations(), name)(**arguments)
    except (ValueError, TypeError):
        raise
    except Exception as error:  # it checks with assertions and its own exceptions
        raise ValueError(str(error)) from None


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Lets the library draw from the CPU's global generator, seeded, and puts its state back."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)
