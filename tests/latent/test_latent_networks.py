"""The networks of the games: sizes and parameters of the paper's code, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from translate_latent.networks import Critic, Generator, PairCritic, coarsest

from translate import ConfigError
from translate.networks import count_parameters


def test_they_are_those_of_the_authors_code() -> None:
    """64 pixels, 64 filters, 100 latent numbers: kernels of 4, no biases, batch norm."""
    generator = Generator(Generator.Config(), in_channels=100, out_channels=3)
    critic = Critic(Critic.Config(), in_channels=3)
    assert (count_parameters(generator), count_parameters(critic)) == (3_576_704, 2_765_568)


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (48, 64), (8, 24), (80, 80)])
def test_images_of_a_size_come_out_and_go_in(size: tuple[int, int]) -> None:
    generator = Generator(Generator.Config(filters=2, size=size), in_channels=5, out_channels=3)
    critic = Critic(Critic.Config(filters=2, size=size), in_channels=3, out_channels=7)
    images = generator(torch.randn(4, 5))
    assert images.shape == (4, 3, *size) and images.abs().max() <= 1
    assert critic(images).shape == (4, 7)


@pytest.mark.parametrize(
    ("size", "base", "doublings"),
    [((64, 64), (4, 4), 4), ((32, 64), (4, 8), 3), ((48, 48), (6, 6), 3), ((8, 8), (4, 4), 1)],
)
def test_a_size_is_a_small_map_doubled(size: tuple[int, int], base: tuple[int, int], doublings: int) -> None:
    assert coarsest(size) == (base, doublings)


def test_other_sizes_are_refused_with_advice() -> None:
    with pytest.raises(
        ConfigError, match=r"66 x 66 pixels are not a small map doubled 4 times; resize .* of 16 pixels"
    ):
        Generator(Generator.Config(size=(66, 66)), in_channels=5, out_channels=3)
    critic = Critic(Critic.Config(filters=2, size=(32, 32)), in_channels=3)
    with pytest.raises(ConfigError, match="judges images of 32 x 32 pixels, and these have 64 x 64"):
        critic(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_without_batch_norm_an_image_is_judged_by_itself(norm: str) -> None:
    critic = Critic(Critic.Config.model_validate({"filters": 4, "norm": norm, "size": (16, 16)}), in_channels=3)
    images = torch.randn(6, 3, 16, 16)
    torch.testing.assert_close(critic(images)[2:3], critic(images[2:3]))


def test_dropout_drops_channels_in_training_alone() -> None:
    critic = Critic(Critic.Config(filters=4, norm="none", dropout=0.5, size=(16, 16)), in_channels=3)
    images = torch.randn(6, 3, 16, 16)
    assert not torch.equal(critic(images), critic(images))
    critic.eval()
    assert torch.equal(critic(images), critic(images))


def test_the_critic_of_pairs_looks_at_both() -> None:
    images = Critic(Critic.Config(filters=2, size=(16, 16)), in_channels=3, out_channels=8)
    critic = PairCritic(images, width=8, latent=5).eval()
    x, z = torch.randn(4, 3, 16, 16), torch.randn(4, 5)
    scores = critic(x, z)
    assert scores.shape == (4, 1)
    assert not torch.allclose(scores, critic(x.flip(0), z)) and not torch.allclose(scores, critic(x, z.flip(0)))
