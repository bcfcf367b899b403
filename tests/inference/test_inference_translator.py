"""The translator: sizes, channels, bit depth, dropout, further inputs."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import nn

from translate.contracts import Direction, TestTime
from translate.errors import ConfigError, ContractError
from translate.inference.directions import describe


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(x)


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (2, 3), (5, 64), (17, 33), (70, 69)])
def test_every_size_comes_back_unchanged_through_an_identity(make, rng, size):
    image = torch.rand(2, 3, *size, generator=rng) * 2 - 1
    assert torch.equal(make().translate_tensor(image), image)


def test_borders_are_those_of_the_reflected_image(make, rng):
    blur = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    blur.multiple = 8
    image = torch.rand(1, 3, 21, 30, generator=rng) * 2 - 1
    padded = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (0, 3), (0, 2)), mode="reflect"))
    with torch.no_grad():
        wanted = blur(padded)[..., :21, :30]
    assert torch.allclose(make(nets={"gen": blur}).translate_tensor(image), wanted, atol=1e-6)


def test_scale_multiplies_the_size_and_alpha_follows(make, tiny):
    class Twice(tiny):
        directions = {"up": Direction(nets=("gen",), scale=2)}

        def translate(self, nets, inputs, direction, draw):
            return nn.functional.interpolate(nets.gen(inputs["image"]), scale_factor=2)

    image = np.random.default_rng(0).integers(0, 256, (13, 9, 3), dtype=np.uint8)
    assert np.array_equal(make(Twice)(image), image.repeat(2, 0).repeat(2, 1))
    opaque = np.dstack([image, np.full((13, 9), 255, np.uint8)])
    assert np.array_equal(make(Twice)(opaque)[..., 3], np.full((26, 18), 255))


def test_dropout_depends_on_the_seed_the_image_and_the_sample_alone(make, rng):
    image = torch.rand(3, 3, 16, 16, generator=rng)
    on = make(nets={"gen": Noisy()}, test_time=TestTime(dropout=True), seed=1)
    before = torch.get_rng_state()
    batch = on.translate_tensor(image)
    assert torch.equal(torch.get_rng_state(), before)
    single = on.translate_tensor(image[1:2])
    assert torch.equal(batch[1:2], single) and not torch.equal(single, image[1:2])
    assert not torch.equal(on.translate_tensor(image[1:2], sample=1), single)
    again = make(nets={"gen": Noisy()}, test_time=TestTime(dropout=True), seed=2)
    assert not torch.equal(again.translate_tensor(image[1:2]), single)
    assert torch.equal(again(image[1:2], seed=1), single) and torch.equal(
        again(image[1], seed=1, samples=2)[0], single[0]
    )
    off = make(nets={"gen": Noisy()}).translate_tensor(image)
    assert torch.equal(off, image)


def test_norm_by_image_is_train_mode_at_batch_size_one(make, rng):
    image = torch.rand(2, 3, 16, 16, generator=rng)
    norm = nn.BatchNorm2d(3)
    nn.init.uniform_(norm.weight)
    wanted = torch.cat([nn.BatchNorm2d(3).train()(image[n : n + 1]) for n in range(2)]) * norm.weight.view(1, 3, 1, 1)
    made = make(nets={"gen": nn.Sequential(norm)}, test_time=TestTime(norm="image")).translate_tensor(image)
    assert torch.allclose(made, wanted, atol=1e-5)


def test_compose_sees_output_and_original_at_full_size(make, tiny):
    class Half(tiny):
        def compose(self, output, original, direction):
            assert output.shape == original.shape == (1, 3, 11, 7)
            return (output + original) / 2

    minus = nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(minus.weight).neg_()
    made = make(Half, nets={"gen": minus}).translate_tensor(torch.ones(2, 3, 11, 7))
    assert torch.equal(made, torch.zeros(2, 3, 11, 7))


def test_grey_colour_alpha_and_depth(make):
    draw = np.random.default_rng(0)
    for dtype, top in ((np.uint8, 255), (np.uint16, 65535)):
        grey = draw.integers(0, top + 1, (10, 6), dtype=dtype)
        colour = draw.integers(0, top + 1, (10, 6, 3), dtype=dtype)
        alpha = draw.integers(0, top + 1, (10, 6, 1), dtype=dtype)
        assert np.array_equal(make()(colour), colour)
        assert np.array_equal(make()(grey), np.repeat(grey[..., None], 3, 2))
        assert np.array_equal(make(channels=1)(grey), grey)
        assert make(channels=1)(colour).shape == (10, 6, 1)
        made = make()(np.dstack([colour, alpha]))
        assert np.array_equal(made[..., 3:], alpha) and made.dtype == dtype
        assert np.abs(made[..., :3].astype(float) - colour).max() <= 1


def test_every_form_of_an_image_gives_the_same_pixels(make, tmp_path):
    array = np.random.default_rng(1).integers(0, 256, (12, 8, 3), dtype=np.uint8)
    Pillow.fromarray(array).save(tmp_path / "a.png")
    translator = make()
    assert np.array_equal(translator(tmp_path / "a.png"), array)
    assert np.array_equal(translator(str(tmp_path / "a.png")), array)
    assert np.array_equal(np.asarray(translator(Pillow.fromarray(array))), array)
    tensor = torch.from_numpy(array.transpose(2, 0, 1)).float() / 127.5 - 1
    assert torch.equal(translator(tensor), tensor)
    assert translator(Pillow.fromarray(array).convert("L")).mode == "RGB"


@pytest.mark.parametrize("shape", [(1, 1, 3, 8, 8), (8, 8)])
def test_a_tensor_of_another_shape_is_refused(make, shape):
    with pytest.raises(ConfigError, match=f"C x H x W or N x C x H x W .* not {' x '.join(map(str, shape))} of"):
        make()(torch.zeros(shape))


def test_whole_numbers_are_no_tensor_in_minus_one_to_one(make):
    with pytest.raises(ConfigError, match=r"of float in \[-1, 1\], not 3 x 8 x 8 of torch\.uint8"):
        make()(torch.zeros(3, 8, 8, dtype=torch.uint8))


def test_a_batch_is_a_tensor_and_several_images_are_a_list(make, rng):
    batch = torch.rand(3, 3, 10, 14, generator=rng) * 2 - 1
    made = make()(batch)
    assert made.shape == batch.shape and torch.equal(made, batch)
    images = [np.zeros((9, 5, 3), np.uint8), Pillow.new("L", (7, 6), 255), torch.ones(3, 4, 4)]
    array, picture, tensor = make()(images)
    assert np.array_equal(array, images[0]) and picture.size == (7, 6) and torch.equal(tensor, images[2])
    assert make()([]) == [] and isinstance(make()((images[0],)), list)


def test_further_inputs_of_a_list_are_one_for_all_or_as_many(make, tiny):
    class Mixed(tiny):
        directions = {"mix": Direction(nets=("gen",), inputs=("image", "exemplar"))}

        def translate(self, nets, inputs, direction, draw):
            return torch.cat((inputs["image"], inputs["exemplar"]), 1).mean(1, keepdim=True).expand(-1, 3, -1, -1)

    black, white, grey = (np.full((8, 8, 3), v, np.uint8) for v in (0, 254, 100))
    levels = [int(made[0, 0, 0]) for made in make(Mixed)([black, white], exemplar=white)]
    assert levels == [127, 254]
    assert [int(m[0, 0, 0]) for m in make(Mixed)([black, white], exemplar=[grey, black])] == [50, 127]
    with pytest.raises(ConfigError, match="2 images, but 3 of 'exemplar': give one for all, or as many"):
        make(Mixed)([black, white], exemplar=[grey, grey, grey])
    made = make(Mixed)(torch.ones(2, 3, 8, 8), exemplar=-torch.ones(3, 8, 8))
    assert torch.equal(made, torch.zeros(2, 3, 8, 8))


def test_images_of_a_batch_and_of_a_list_draw_what_each_draws_alone(make, rng):
    model = make(nets={"gen": Noisy()}, test_time=TestTime(dropout=True))
    images = torch.rand(2, 3, 16, 16, generator=rng)
    batch = model(images)
    first, second = model([images[0], images[1]])
    assert torch.equal(first, batch[0]) and torch.equal(second, batch[1]) and torch.equal(model(images[1]), second)
    pairs = model([images[0], images[1]], samples=2)
    assert torch.equal(pairs[1][0], second) and not torch.equal(*pairs[1])
    plain = model.without_dropout()
    assert not plain.stochastic and torch.equal(plain(torch.ones(3, 16, 16)), torch.ones(3, 16, 16))
    assert model.stochastic and torch.equal(model(images), batch)


def test_further_inputs_come_by_name_and_in_the_size_of_the_first(make, tiny):
    class Mixed(tiny):
        directions = {"mix": Direction(nets=("gen",), inputs=("image", "exemplar"))}

        def translate(self, nets, inputs, direction, draw):
            return (inputs["image"] + inputs["exemplar"]) / 2

    translator = make(Mixed)
    black, white = np.zeros((10, 6, 3), np.uint8), np.full((31, 17), 254, np.uint8)
    assert np.array_equal(translator(black, exemplar=white), np.full((10, 6, 3), 127))
    with pytest.raises(ConfigError, match=r"the further inputs exemplar; given: \(none\)"):
        translator(black)
    for others in ({"exemplar": white, "hat": white}, {"hat": white}):
        with pytest.raises(ConfigError, match=r"takes no 'hat'; it takes inputs exemplar, options \(none\)"):
            translator(black, **others)


def test_directions_say_what_is_wrong(make, tiny):
    with pytest.raises(ConfigError, match="this model has a_to_b; did you mean 'a_to_b'"):
        make().translate_tensor(torch.zeros(1, 3, 8, 8), "a_to_c")

    class Crowded(tiny):
        directions = {"all": Direction(nets=("gen",), inputs=("a", "b", "c"))}

    with pytest.raises(ContractError, match="one side of paired data"):
        describe(Crowded)


def test_defaults_of_a_direction(tiny):
    class Both(tiny):
        data = "unpaired"
        directions = {"a_to_b": Direction(nets=("gen",)), "b_to_a": Direction(nets=("gen",), sides=("b",), scale=2)}

    found = describe(Both)
    assert (found["a_to_b"]["sides"], found["a_to_b"]["target"]) == (["a"], "b")
    assert (found["b_to_a"]["sides"], found["b_to_a"]["target"], found["b_to_a"]["scale"]) == (["b"], "a", 2)
