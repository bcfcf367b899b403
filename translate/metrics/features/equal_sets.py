"""Metrics that ask whether two sets are one, with the probability that chance alone explains what they found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, PositiveInt
from torch import Tensor

from translate.contracts import Config, EvaluationContext
from translate.errors import DataError
from translate.metrics.distances.collisions import alike, support_size, usual_distance
from translate.metrics.distances.kernels import mmd_test
from translate.metrics.distances.neighbours import copies, one_neighbour_accuracy, one_neighbour_test
from translate.metrics.distances.transport import LARGEST, bracket, projected, sliced
from translate.metrics.features.of_sets import MetricOfSets
from translate.metrics.features.spaces import InceptionSpace, Pixels, RandomConvolutions, Space, shared, standardised
from translate.seeding import derive


class FeaturesConfig(Config):
    """Options of metrics that compare features."""

    features: Literal["random", "pixels", "inception"] = "random"
    """The numbers that are compared: those of `random` convolutions that `fd-random` has, the `pixels` of
    the image averaged to 16 x 16, or `inception`, whose weights are downloaded at the first use."""
    weights: Path | None = None
    """The file of Inception's weights, for `features: inception`; empty: downloaded, 91 MB, and kept."""
    seed: int = 0
    """The seed of what is drawn."""

    def space(self) -> Space:
        """The space that `features` names."""
        if self.features == "inception":
            return shared(InceptionSpace, self.weights)
        return shared(Pixels, 16) if self.features == "pixels" else shared(RandomConvolutions, 0)


F = TypeVar("F", bound=FeaturesConfig)


class InFeatures(MetricOfSets[F]):
    """A metric of two sets in the space that its option `features` names."""

    def space(self) -> Space:
        return self.config.space()


class MMDConfig(FeaturesConfig):
    """Options of `mmd`."""

    permutations: PositiveInt = 500
    """How often the sets are mixed anew: the least p-value is 1 / (1 + this)."""


class MMD(InFeatures[MMDConfig]):
    """The maximum mean discrepancy of two sets under Gaussian kernels, with its p-value.

    - Formula: the unbiased squared discrepancy, the mean over five kernels of 0.2 to 5 times the median distance;
      `mmd/p` is (1 + permutations that reach it) / (1 + permutations): the probability of so large a value between
      equal sets.
    - Protocol: the numbers that `features` names, each in parts of its deviation over both sets. Equal sets score about
      0, below it too, with p spread over 0 to 1.
    - Source: Gretton, Borgwardt, Rasch, Schölkopf, Smola, "A Kernel Two-Sample Test", JMLR 2012, equation 3, section 7.
    """

    name = "mmd"
    draws = 50
    halves = True

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return self._test(outputs, references, context, 1)[0]

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        return {"mmd/p": self._test(outputs, references, context, self.config.permutations)[1]}

    def _test(
        self,
        outputs: Sequence[Tensor],
        references: Sequence[Tensor],
        context: EvaluationContext | None,
        permutations: int,
    ) -> tuple[float, float]:
        ours, true = standardised(*self.vectors(outputs, references, context))
        found = mmd_test(ours, true, permutations, derive(self.config.seed, "permutations"))
        return found.statistic, found.p_value


class NeighbourConfig(FeaturesConfig):
    """Options of `c2st-1nn`."""

    permutations: PositiveInt = 500
    """How often the sets are mixed anew: the least p-value is 1 / (1 + this)."""


class NearestNeighbour(InFeatures[NeighbourConfig]):
    """The share of images whose nearest other one is of their own set: can a neighbour tell outputs from real images?

    - Formula: leave-one-out accuracy of the nearest neighbour, the mean over the two sets. 0.5: the sets are one; 1:
      they are apart; 0: each output has its own real image beside it, as copies do. `c2st-1nn/p` is the probability of
      so large an accuracy between equal sets.
    - Protocol: the numbers that `features` names, each in parts of its deviation over both sets, Euclidean distances;
      the larger set is cut to the smaller one.
    - Source: Lopez-Paz, Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017; Xu et al., 2018, on its use.
    """

    name = "c2st-1nn"
    draws = 50
    halves = True
    ends = (0.0, 1.0)

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return one_neighbour_accuracy(*self._vectors(outputs, references, context))

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        ours, true = self._vectors(outputs, references, context)
        seed = derive(self.config.seed, "permutations")
        return {"c2st-1nn/p": one_neighbour_test(ours, true, self.config.permutations, seed).p_value}

    def _vectors(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None
    ) -> tuple[Tensor, Tensor]:
        ours, true = self.vectors(outputs, references, context)
        count = min(len(ours), len(true))
        return standardised(ours[:count], true[:count])


class WassersteinConfig(FeaturesConfig):
    """Options of `wasserstein`."""

    features: Literal["random", "pixels", "inception"] = "pixels"
    """The numbers that are compared: the `pixels` of the image averaged to 16 x 16, `random` convolutions, or
    `inception`."""
    splits: int = Field(default=10, ge=1)
    """How often the sets are divided into halves."""
    dims: PositiveInt = 4
    """Dimensions of the projections."""
    projections: PositiveInt = 50
    """Random subspaces that the images are projected on."""


class Wasserstein(InFeatures[WassersteinConfig]):
    """The Wasserstein distance of two sets, between what a few images can prove and what they cannot exclude.

    - Formula: the least mean distance of an image and its partner (earth mover's), between halves of the two sets:
      `wasserstein` is W_n(P, Q), an upper bound in the mean; `wasserstein/low` is W_n(P, Q) - min(W_n(P, P'),
      W_n(Q, Q')), a lower one, about 0 for equal sets. `wasserstein/sliced` is the mean distance along 512 directions,
      `wasserstein/projected` the mean, `wasserstein/largest` the largest distance of projections on random subspaces
      of 4 dimensions, each a lower bound for these images.
    - Protocol: the numbers that `features` names, of at most 2,000 images; the mean over ten divisions.
    - Source: Villani 2009, chapter 6, for the distance; the bounds follow from its convexity and triangle inequality.
    """

    name = "wasserstein"
    draws = 20
    halves = True
    ends = (0.0, math.inf)

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        ours, true = self._vectors(outputs, references, context)
        return bracket(ours, true, self.config.splits, derive(self.config.seed, "halves")).high

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        ours, true = self._vectors(outputs, references, context)
        count = min(len(ours), len(true))
        c = self.config
        mean, largest = projected(ours[:count], true[:count], c.dims, c.projections, derive(c.seed, "subspaces"))
        return {
            "wasserstein/low": bracket(ours, true, c.splits, derive(c.seed, "halves")).low,
            "wasserstein/sliced": sliced(ours, true, seed=derive(c.seed, "directions"))[0],
            "wasserstein/projected": mean,
            "wasserstein/largest": largest,
        }

    def _vectors(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None
    ) -> tuple[Tensor, Tensor]:
        ours, true = self.vectors(outputs, references, context)
        return ours[:LARGEST], true[:LARGEST]


class SupportSize(InFeatures[FeaturesConfig]):
    """How many different images the outputs are, by the birthday paradox: few where a model gives the same few answers.

    - Formula: C(n, 2) / the number of pairs of outputs that are alike: nearer to each other than 99 % of real images
      are to their nearest neighbour, or equal. Infinite without such a pair. `support-size/real` is the same of the
      references.
    - Protocol: the numbers that `features` names. Equal inputs have equal outputs and count: score different ones.
    - Source: Arora, Zhang, "Do GANs actually learn the distribution?", 2017, with a threshold in place of people's
      eyes; Goldreich, Ron 2000 for the estimator.
    """

    name = "support-size"
    better = "higher"
    halves = True
    ends = (0.0, math.inf)

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        ours, true = self.vectors(outputs, references, context)
        return support_size(alike(ours, usual_distance(true)), len(ours))

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        _, true = self.vectors(outputs, references, context)
        return {"support-size/real": support_size(alike(true, usual_distance(true)), len(true))}


class Memorised(InFeatures[FeaturesConfig]):
    """The share of outputs that are copies of training images, in per cent; about 1 is what real images reach.

    - Formula: an output counts where it lies nearer to the training images of its side than 99 % of the references do,
      which the model never saw.
    - Protocol: the numbers that `features` names; needs the training images of an evaluated model.
    - Source: Meehan, Chaudhuri, Dasgupta, "A Non-Parametric Test to Detect Data-Copying", AISTATS 2020, in its
      simplest form.
    """

    name = "memorised"
    needs_context = True
    unit = "%"

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        assert context is not None  # as `needs_context` says
        ours, true = self.vectors(outputs, references, context)
        training = context.training_images(context.target_side)
        if not len(training):
            raise DataError("memorised compares with training images, and there are none")
        share = 100 * copies(ours, self.space().vectors(training), true)
        return share if math.isfinite(share) else math.nan
