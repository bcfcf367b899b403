"""Noise: each image draws its own, from the seed, its values and the number of the sample alone."""

import numpy as np
import pytest
import torch
from torch import nn

from translate import Class, Config, DataSpec, Direction, Image, Labels, Sides, Vector
from translate.errors import ConfigError, ContractError
from translate.inference.draw import SeededDraw
from translate.inference.translator import Translator


class Knobs(Config):
    """Options of the direction."""

    strength: float = 1.0
    "How much noise."


SIDES = Sides({"image": Image(), "kind": Class(("cat", "dog", "owl"))}, together=[("image", "kind")])


@pytest.fixture
def noisy(tiny):
    class NoisyMethod(tiny):
        data = SIDES
        directions = {
            "to": Direction(nets=("gen",), inputs=("image", "kind"), draws=True, options=Knobs, target="image"),
            "new": Direction(nets=("gen",), inputs=("kind", "code"), draws=True, types={"code": Vector(2)}),
            "plain": Direction(nets=("gen",)),
            "several": Direction(nets=("gen",), further={"kind": "class", "numbers": "vector", "half": "image"}),
        }

        def translate(self, nets, inputs, direction, draw):
            if direction == "new":
                level = inputs["code"].sum(1) / 10 + draw.normal() / 100
                return level.view(-1, 1, 1, 1).expand(-1, 3, *draw.size) + inputs["kind"].view(-1, 1, 1, 1) / 10
            x = inputs["image"]
            if direction == "plain":
                return x + draw.normal(*x.shape[1:])
            if direction == "several":
                return {
                    "output": x,
                    "kind": torch.eye(3)[:1].expand(len(x), -1),
                    "numbers": x.mean((2, 3)),
                    "half": x / 2,
                }
            noise = draw.normal(*x.shape[1:]) + draw.uniform(1, 1, 1, low=-1) + draw.integers(2, 1, 1, 1)
            return (x + inputs["kind"].view(-1, 1, 1, 1) / 5 + direction.options.strength * noise / 4).clamp(-1, 1)

    spec = DataSpec(SIDES, {"image": 3}, (16, 24))
    return Translator(NoisyMethod(NoisyMethod.Config(), spec, {}), {"gen": nn.Identity()}, {}, seed=3)


def picture(seed, height=16, width=24):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_what_is_drawn_depends_on_seed_key_and_order_alone():
    both, second = SeededDraw([5, 6], (1, 1), torch.device("cpu")), SeededDraw([6], (1, 1), torch.device("cpu"))
    assert both.count == 2
    for name, arguments in (("normal", (2, 3)), ("uniform", (4,)), ("integers", (9, 2))):
        assert torch.equal(getattr(both, name)(*arguments)[1:], getattr(second, name)(*arguments))
    many = SeededDraw(range(4000), (1, 1), torch.device("cpu"))
    normal, uniform, whole = many.normal(), many.uniform(low=-1, high=3), many.integers(3)
    assert abs(float(normal.mean())) < 0.06 and abs(float(normal.var()) - 1) < 0.08
    assert abs(float(uniform.mean()) - 1) < 0.06 and -1 <= float(uniform.min()) <= float(uniform.max()) < 3
    assert sorted(whole.unique().tolist()) == [0, 1, 2]


def test_an_image_has_the_same_answer_whatever_it_is_batched_with_and_in_whatever_form_it_comes(noisy):
    images = [picture(n) for n in range(3)]
    alone = [noisy(image, "to", kind="owl") for image in images]
    assert all(np.array_equal(a, b) for a, b in zip(noisy(images, "to", kind="owl"), alone, strict=True))
    backwards = noisy(images[::-1], "to", kind=["owl"] * 3)
    assert np.array_equal(backwards[0], alone[2])
    tensors = torch.stack([torch.from_numpy(image.transpose(2, 0, 1).copy()) / 127.5 - 1 for image in images])
    batch = noisy(tensors, "to", kind="owl")
    rounded = batch.add(1).mul(127.5).round().clamp(0, 255).byte().numpy().transpose(0, 2, 3, 1)
    assert np.array_equal(rounded[1], alone[1])


def test_seeds_samples_options_and_classes_change_the_answer(noisy):
    image = picture(0)
    first = noisy(image, "to", kind="cat")
    assert np.array_equal(noisy(image, "to", kind=0, seed=3), first)
    assert not np.array_equal(noisy(image, "to", kind="cat", seed=4), first)
    answers = noisy(image, "to", kind="cat", samples=3)
    assert np.array_equal(answers[0], first) and not np.array_equal(answers[1], answers[2])
    assert not np.array_equal(noisy(image, "to", kind="dog"), first)
    assert np.abs(noisy(image, "to", kind="cat", strength=0).astype(int) - image).max() == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "cow"}, "input 'kind' has no class 'cow'; did you mean 'owl'|there are cat, dog, owl"),
        ({"kind": 3}, "input 'kind' has no class 3; there are cat, dog, owl"),
        ({}, r"the further inputs kind; given: \(none\)"),
        ({"kind": "cat", "strenth": 1}, "takes no 'strenth'; did you mean 'strength'"),
        ({"kind": "cat", "strength": "much"}, "option 'strength' of direction 'to'"),
    ],
)
def test_wrong_inputs_and_options_are_named(noisy, given, message):
    with pytest.raises(ConfigError, match=message):
        noisy(picture(0), "to", **given)


def test_images_from_nothing(noisy):
    images = noisy.sample(3, "new", kind="dog", code=[0.5, 1], size=(8, 12))
    assert [image.shape for image in images] == [(8, 12, 3)] * 3 and not np.array_equal(images[0], images[1])
    again = noisy.sample(2, "new", kind=["dog", "owl"], code=[0.5, 1], size=(8, 12), seed=3)
    assert np.array_equal(again[0], images[0]) and again[1].mean() > images[1].mean() + 10
    assert noisy.sample(1, "new", kind="cat", code="0.5,1")[0].shape == (16, 24, 3)
    with pytest.raises(ConfigError, match="takes 2 numbers, and these are 1"):
        noisy.sample(1, "new", kind="cat", code=[1.0])
    with pytest.raises(ConfigError, match="converts 'image': give it images"):
        noisy.sample(1, "to", kind="cat")


def test_several_outputs_come_by_name(noisy):
    image = picture(1)
    outputs = noisy(image, "several")
    assert list(outputs) == ["output", "kind", "numbers", "half"]
    assert np.array_equal(outputs["output"], image) and outputs["kind"] == "cat" and len(outputs["numbers"]) == 3
    assert np.abs(outputs["half"].astype(float) - (image / 255 - 0.5) * 127.5 - 127.5).max() <= 1


def test_what_does_not_say_that_it_draws_is_refused_and_what_draws_takes_no_strips(noisy):
    with pytest.raises(ContractError, match="direction 'plain' draws noise; say so in its Direction: `draws=True`"):
        noisy(picture(0), "plain")
    with pytest.raises(ConfigError, match="takes an image as a whole only: it draws noise"):
        noisy.translate_tensor(torch.zeros(1, 3, 64, 16), "to", tile=8, kind="cat")


def test_a_label_map_is_an_input(tiny):
    class Painter(tiny):
        data = Sides({"label": Labels(), "image": Image()}, together=[("label", "image")])
        directions = {"paint": Direction(nets=("gen",), inputs=("label",))}

        def translate(self, nets, inputs, direction, draw):
            return nn.functional.one_hot(inputs["label"], 3).permute(0, 3, 1, 2).float() * 2 - 1

    colours = ((10, 0, 0), (0, 20, 0), (0, 0, 30))
    spec = DataSpec(Painter.data, {"label": 1, "image": 3}, (16, 16), ("r", "g", "b"), colours)
    painter = Translator(Painter(Painter.Config(), spec, {}), {"gen": nn.Identity()}, {})
    assert painter.route().target == "image"
    indices = np.random.default_rng(0).integers(0, 3, (18, 17), dtype=np.uint8)
    painted = painter(indices[..., None])
    assert np.array_equal(painted.argmax(2), indices) and painted.shape == (18, 17, 3)
    coloured = np.array(colours, np.uint8)[indices]
    assert np.array_equal(painter(coloured), painted)
    with pytest.raises(ConfigError, match=r"its colour \(9, 9, 9\) at row 0, column 0 is none of the palette's"):
        painter(np.full((4, 4, 3), 9, np.uint8))
    with pytest.raises(ConfigError, match="holds class 7, and there are 3, 0 to 2"):
        painter(np.full((4, 4, 1), 7, np.uint8))


def test_pixels_of_no_class_are_no_mistake_in_a_label_map(tiny):
    """They are 255 among indices and white among colours, as in the files of a prepared dataset."""

    class Painter(tiny):
        data = Sides({"label": Labels(), "image": Image()}, together=[("label", "image")])
        directions = {"paint": Direction(nets=("gen",), inputs=("label",))}

        def translate(self, nets, inputs, direction, draw):
            hot = nn.functional.one_hot(inputs["label"].clamp(max=2), 3) * (inputs["label"] < 2)[..., None]
            return hot.permute(0, 3, 1, 2).float() * 2 - 1

    colours = ((10, 0, 0), (0, 20, 0))
    spec = DataSpec(Painter.data, {"label": 1, "image": 3}, (16, 16), ("r", "g"), colours)
    painter = Translator(Painter(Painter.Config(), spec, {}), {"gen": nn.Identity()}, {})
    indices = np.array([[0, 255, 1, 0], [255, 1, 1, 0], [0, 0, 0, 255], [1, 0, 1, 0]], np.uint8)
    painted = painter(indices[..., None])
    assert np.array_equal(painted[indices == 255], np.zeros((3, 3))) and painted[indices != 255].max(1).all()
    coloured = np.array([*colours, *[(255, 255, 255)] * 254], np.uint8)[indices]
    assert np.array_equal(painter(coloured), painted)
