"""What a look tells of the input's part in outputs, for directions that get noise, dropout or classes beside it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from translate.contracts import (
    Class,
    DataSpec,
    Direction,
    Frames,
    Image,
    Method,
    NoOptions,
    Route,
    Sides,
    TestTime,
    Update,
)
from translate.inference.translator import Translator
from translate.testing import tiny_spec
from translate.training.health import pictures
from translate.training.health.looker import Looker

SIZE, IMAGES = 32, 6


class Still(nn.Module):
    """The part `share` of what goes in, behind dropout where that is on."""

    multiple = 1

    def __init__(self, share: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.share, self.drop = share, nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        kept: Tensor = self.drop(torch.ones_like(x))
        return self.share * x * kept


class Plain(Method[NoOptions]):
    """Half of the image."""

    name, data = "plain", Sides({"image": Image()})
    players = {"G": ("gen",)}
    losses = {"l1": 1.0}
    directions = {"go": Direction(nets=("gen",), sides=("image",), target="image")}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": Still(0.5)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("G", {"l1": nets.gen(batch["image"]).mean()})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        output: Tensor = nets.gen(inputs["image"])
        return output


class Noise(Plain):
    """Noise for each pixel, and nothing of the image."""

    directions = {"go": Direction(nets=("gen",), sides=("image",), target="image", draws=True)}

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        noise: Tensor = draw.uniform(*inputs["image"].shape[1:], low=-1, high=1)
        return nets.gen(noise)


class Both(Noise):
    """Half of the image, and a colour that is drawn."""

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets.gen(inputs["image"]) + draw.uniform(3, 1, 1, low=-0.5, high=0.5)


class Dropping(Plain):
    """Half of the image, or nothing, by dropout that stays on."""

    test_time = TestTime(dropout=True)

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": Still(0.5, dropout=0.5)}


class Obedient(Plain):
    """The colour of the class, and nothing of the image."""

    data = Sides({"image": Image(), "class": Class()}, together=(("image", "class"),))
    directions = {"go": Direction(nets=("gen",), inputs=("image", "class"), sides=("image", "class"), target="image")}

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        grey = inputs["class"].float().sub(1.5).div(1.5)[:, None, None, None]
        return nets.gen(grey.expand_as(inputs["image"]))


class Follower(Obedient):
    """The image, and a little of the colour of the class."""

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return nets.gen(inputs["image"]) + 0.2 * super().translate(nets, inputs, direction, draw)


class Video(Plain):
    """Half of the middle one of three frames."""

    data = Sides({"frames": Frames(count=3), "image": Image()}, together=(("frames", "image"),))
    directions = {"go": Direction(nets=("gen",), inputs=("frames",), sides=("frames",), target="image")}

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        output: Tensor = nets.gen(inputs["frames"][:, 1])
        return output


def use(method: type[Plain], *sizes: tuple[int, int]) -> tuple[float, float]:
    """What a look says of a direction whose images have these sizes in turn."""
    looker = looker_at(method, sizes or ((SIZE, SIZE),))
    seen = looker.see("go")
    return pictures.input_use(seen.inputs, seen.compared, seen.alike)


def looker_at(kind: type[Plain], sizes: tuple[tuple[int, int], ...]) -> Looker:
    """A looker whose images are noise of few large pixels."""
    spec: DataSpec = tiny_spec(kind.data, size=SIZE)
    method = kind(NoOptions(), spec, {})
    translator = Translator(method, method.networks(None), {}, device="cpu", precision="fp32", seed=0)

    def image(side: str, key: str) -> Tensor:
        number = int(key)
        frames = (3, 3) if side == "frames" else (3,)
        draws = torch.rand(*frames, 4, 4, generator=torch.Generator().manual_seed(number)) * 2 - 1
        height, width = sizes[number % len(sizes)]
        rows, columns = (torch.arange(size) * 4 // size for size in (height, width))
        return draws[..., rows[:, None], columns[None]]

    def given(direction: str, key: str) -> dict[str, Tensor]:
        main = translator.route(direction).main
        assert main is not None
        return {main: image(main, key)}

    dataset = SimpleNamespace(
        types=spec.sides,
        keys=lambda split, side: keys(),
        tensor=lambda split, side, key: image("image", key),
        value=lambda split, side, key: torch.tensor(int(key) % 4),
    )
    validator: Any = SimpleNamespace(
        method=method,
        translator=translator,
        dataset=dataset,
        split="val",
        keys=lambda route, limit: keys(),
        pictures=given,
        data_key=lambda route, key: key,
        pairs=lambda route: False,
    )
    return Looker(validator)


def keys() -> list[str]:
    return [str(number) for number in range(IMAGES)]


def test_without_noise_the_outputs_tell() -> None:
    assert use(Plain) == (pytest.approx(0.5, abs=1e-3), pytest.approx(1.0))


@pytest.mark.parametrize("sizes", [[(SIZE, SIZE)], [(SIZE, SIZE), (20, 32), (32, 24)]])
def test_noise_is_no_input_whatever_the_sizes_of_images(sizes: list[tuple[int, int]]) -> None:
    """The same numbers lie elsewhere in an image of another size."""
    assert use(Noise, *sizes) == (pytest.approx(0, abs=1e-3), pytest.approx(0, abs=1e-3))
    part, share = use(Both, *sizes)
    assert part == pytest.approx(0.5, abs=1e-3)
    assert 0.2 < share < 0.9


def test_dropout_that_stays_on_is_the_same_for_all_inputs() -> None:
    part, share = use(Dropping)
    # half of the pixels are twice as bright, and the others grey
    assert 0.4 < part < 0.8
    assert share > 0.5


def test_a_class_is_no_picture() -> None:
    """Outputs that differ with the class that is asked for, and not with the image, ignore it."""
    seen = looker_at(Obedient, ((SIZE, SIZE),)).see("go")
    assert pictures.diversity(seen.outputs) > 1
    assert use(Obedient)[0] == pytest.approx(0, abs=1e-3)
    assert use(Follower) == (pytest.approx(0.5, abs=1e-3), pytest.approx(1.0))


def test_frames_are_an_input() -> None:
    part, share = use(Video)
    assert 0.1 < part < 0.5  # a third of what goes in
    assert share == 1


def test_a_direction_without_images_has_no_input() -> None:
    class Sampled(Plain):
        directions = {"go": Direction(nets=("gen",), inputs=(), target="image", draws=True)}

        def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
            return draw.uniform(3, SIZE, SIZE, low=-1, high=1)

    route: Route = looker_at(Sampled, ((SIZE, SIZE),)).validator.translator.route("go")
    seen = looker_at(Sampled, ((SIZE, SIZE),)).see("go")
    assert route.main is None and len(seen.outputs) == IMAGES
    assert (seen.inputs, seen.compared, seen.alike) == ([], [], [])
