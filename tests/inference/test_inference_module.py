"""A direction as a plain module of torch: results of the translator, gradients, and a place in anybody's network."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from tiny_translator import Identity, Tiny, TinyConfig
from torch import Tensor, nn

from translate.contracts import Class, Config, DataSpec, Direction, Image as ImageSide, Sides, TestTime
from translate.errors import ConfigError
from translate.inference.translator import Translator

Make = Callable[..., Translator]


def images(count: int = 2, height: int = 19, width: int = 22, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


class Rough(nn.Module):
    """A 3 x 3 convolution and dropout, with batch norm."""

    multiple = 8

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[-2] % 8 == 0 and x.shape[-1] % 8 == 0
        return self.layers(x)


@pytest.mark.parametrize("test_time", [TestTime(), TestTime(dropout=True, norm="image")])
def test_it_gives_what_the_translator_gives(make: Make, test_time: TestTime) -> None:
    translator = make(nets={"gen": Rough()}, test_time=test_time, seed=5)
    expected = translator.translate_tensor(images())
    module = translator.module("a_to_b")
    assert isinstance(module, nn.Module)
    torch.testing.assert_close(module(images()), expected, atol=1e-5, rtol=0)
    module.train()
    assert not torch.allclose(module(images()), expected, atol=1e-2), "statistics of the batch, other dropout"
    module.nets["gen"].layers[1].reset_running_stats()
    module.load_state_dict(translator.module().state_dict())
    torch.testing.assert_close(module.eval()(images()), expected, atol=1e-5, rtol=0)


def test_gradients_flow_through_a_sequential_to_inputs_and_weights(make: Make) -> None:
    """The translator is a 1 x 1 convolution W; of the sum of a pooled image the gradient of W is known."""
    translator = make()
    net = nn.Sequential(nn.Conv2d(1, 3, 1), translator.module(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = images(channels=1, height=16, width=20).requires_grad_()
    before = copy.deepcopy(net.state_dict())
    seen = net[0](x).mean((0, 2, 3))
    net(x).mean().backward()
    weights = net[1].nets["gen"].mix.weight
    assert weights.grad is not None and x.grad is not None and x.grad.abs().sum() > 0
    expected = net[4].weight[0][:, None] * seen[None]
    torch.testing.assert_close(weights.grad[..., 0, 0], expected.detach(), atol=1e-5, rtol=1e-4)
    optimizer.step()
    changed = [key for key, value in net.state_dict().items() if not torch.equal(value, before[key])]
    assert "1.nets.gen.mix.weight" in changed
    assert torch.equal(translator.nets.gen.mix.weight, Identity().mix.weight), "the translator keeps its own weights"


def test_it_moves_saves_and_loads_as_any_module(make: Make) -> None:
    module = make(nets={"gen": Rough()}).module()
    state = load(save(module.state_dict()))
    other = make(nets={"gen": Rough()}).module()
    with torch.no_grad():
        next(other.parameters()).zero_()
    other.load_state_dict(state)
    assert torch.equal(other(images()), module(images()))
    double = copy.deepcopy(module).to(torch.float64)
    assert double(images().double()).dtype == torch.float64
    torch.testing.assert_close(double(images().double()).float(), module(images()), atol=1e-5, rtol=0)
    meta = copy.deepcopy(module).to("meta")
    assert all(value.device.type == "meta" for value in meta.state_dict().values())
    stream = io.BytesIO()
    torch.save(module, stream)
    assert stream.tell() > 0
    assert "a_to_b: image -> image" in repr(nn.Sequential(module))


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (5, 40)])
def test_it_pads_and_crops(make: Make, size: tuple[int, int]) -> None:
    x = images(1, *size)
    torch.testing.assert_close(make().module()(x), x)


def test_grey_becomes_colour(make: Make) -> None:
    grey = images(1, channels=1)
    torch.testing.assert_close(make().module()(grey), grey.expand(1, 3, -1, -1))


class ScaleConfig(Config):
    times: float = 1.0
    "Factor of the image."


class Many(Tiny):
    """An image and a class to two outputs, with noise."""

    data = Sides({"image": ImageSide(), "look": Class()}, (("image", "look"),))
    directions = {
        "to": Direction(
            nets=("gen",),
            inputs=("image", "look"),
            options=ScaleConfig,
            draws=True,
            sides=("image", "look"),
            target="image",
            further={"look": "class"},
        )
    }

    def translate(self, nets: Any, inputs: Mapping[str, Tensor], direction: Any, draw: Any) -> dict[str, Tensor]:
        image = nets.gen(inputs["image"]) * direction.options.times + draw.normal(1, 1, 1)
        return {"output": image, "look": nn.functional.one_hot(inputs["look"], 2).float()}


def many() -> Translator:
    data = Sides({"image": ImageSide(3), "look": Class(("day", "night"))}, Many.data.together)
    return Translator(Many(TinyConfig(), DataSpec(data, {"image": 3}, (16, 16)), {}), {"gen": Identity()}, {}, seed=3)


def test_further_inputs_outputs_options_and_noise() -> None:
    translator, x = many(), images(2, 16, 16)
    outputs = translator.module("to", times=0.5)(x, look=torch.tensor([0, 1]))
    assert outputs["look"].tolist() == [[1, 0], [0, 1]]
    noise = (outputs["output"] - 0.5 * x)[:, 0, 0, 0]
    assert noise[0] != noise[1]
    alone = translator.module("to")(x[1:], look="night")["output"]
    torch.testing.assert_close(alone - x[1:], noise[1].expand(1, 3, 16, 16), atol=1e-5, rtol=0)
    with pytest.raises(ConfigError, match="further inputs look"):
        translator.module("to")(x)
    with pytest.raises(ConfigError, match="has no option 'tiems'; did you mean 'times'"):
        translator.module("to", tiems=1)


def test_wrong_uses_are_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match="no direction 'b_to_a'"):
        make().module("b_to_a")
    with pytest.raises(ConfigError, match="a batch is N x C x H x W"):
        make().module()(torch.zeros(3, 16, 16))


def test_a_translator_describes_itself(make: Make) -> None:
    assert repr(make()) == "Translator of tiny on cpu in fp32\n  a_to_b: image -> image"
    assert make().folder is None
    text = repr(many())
    assert "to: image, look (class: day, night) -> image with noise, look (class); options times=1.0" in text
    html = many()._repr_html_()
    assert "<table>" in html and html.count("<table>") == html.count("</table>")
    assert "image, look (class: day, night)" in html and "options times=1.0" in html
