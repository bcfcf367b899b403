"""Metrics of two sets in a space of features: FID, KID, precision and recall, and the same without Inception."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field, PositiveInt
from torch import Tensor

from translate.contracts import C, Config, EvaluationContext, Metric
from translate.errors import DataError
from translate.metrics.distances.frechet import frechet_distance, moments_of
from translate.metrics.distances.kernels import kernel_distance, subset_size
from translate.metrics.distances.neighbours import Support, coverage_of_equal, support
from translate.metrics.features.spaces import InceptionSpace, RandomConvolutions, Space, shared


class InceptionConfig(Config):
    """Options of metrics in Inception's features."""

    weights: Path | None = None
    """The file `weights-inception-2015-12-05-6726825d.pth` of torch-fidelity (pytorch-fid's has the same weights).
    Empty: downloaded at the first use, 91 MB, and kept."""


class RandomConfig(Config):
    """Options of metrics in the features of random convolutions."""

    network_seed: int = 0
    """The seed of the weights: scores of different seeds do not compare."""


class MetricOfSets(Metric[C]):
    """A metric that compares the vectors of two sets in the space that `space()` gives."""

    paired = False

    @abstractmethod
    def space(self) -> Space:
        """The space, the same one for each call."""

    def protocol(self) -> str:
        return f"Features: {self.space().sees}. {super().protocol()}"

    def fetch(self) -> None:
        self.space().fetch()

    def vectors(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None
    ) -> tuple[Tensor, Tensor]:
        """The vectors of outputs and references, each N x D."""
        return self.space().of_both(outputs, references, context)


class Frechet(MetricOfSets[C]):
    """The Fréchet distance in some space."""

    draws = 30
    halves = True
    ends = (0.0, math.inf)

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        ours, true = self.vectors(outputs, references, context)
        return frechet_distance(moments_of(ours), moments_of(true))


class FID(Frechet[InceptionConfig]):
    """The Fréchet Inception distance: how far apart two sets lie in the features of a network that knows objects.

    - Formula: |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), m and S being mean and covariance of the 2048 features
      of the last pooling.
    - Protocol: whole images rounded to 8 bits, grey ones in three channels, brought to 299 x 299 as TensorFlow 1 did;
      the figure is that of torch-fidelity with the same weights. It grows as sets get smaller (below 2,048 images the
      covariance has no full rank): compare equal numbers of images alone, and prefer `kid` for a few hundred.
    - Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NIPS 2017; Szegedy et al. 2016.
    """

    name = "fid"

    def space(self) -> Space:
        return shared(InceptionSpace, self.config.weights)


class FDRandom(Frechet[RandomConfig]):
    """The Fréchet distance in random convolutions: no FID, and not comparable with one; it needs no weights.

    - Formula: as `fid`, of the mean and the deviation of each channel of a network that was never trained, 896 numbers.
    - Protocol: images averaged to 64 x 64 pixels, and the 64 x 64 pixels in their middle. It sees colours, textures and
      sharpness, and no objects. It grows as sets get smaller: compare equal numbers of images alone.
    - Source: Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020, section 4, on
      embeddings of random networks; this network is ours.
    """

    name = "fd-random"

    def space(self) -> Space:
        return shared(RandomConvolutions, self.config.network_seed)


class KernelConfig(Config):
    """Options of kernel distances."""

    subsets: PositiveInt = 100
    """How often subsets are drawn and compared."""
    size: int = Field(default=1000, ge=2)
    """Images in a subset; half of the smaller set where that has fewer, and one subset where both have just as many."""
    seed: int = 0
    """The seed of the subsets."""


class KIDConfig(KernelConfig, InceptionConfig):
    """Options of `kid`."""


class KDRandomConfig(KernelConfig, RandomConfig):
    """Options of `kd-random`."""


K = TypeVar("K", bound=KernelConfig)


class Kernel(MetricOfSets[K]):
    """The kernel distance in some space."""

    draws = 50
    halves = True

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return self._found(outputs, references, context)[0]

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        size = float(subset_size(len(outputs), len(references), self.config.size))
        deviation = self._found(outputs, references, context)[1]
        # one subset has no deviation, and gets no row of it
        known = {} if math.isnan(deviation) else {f"{self.name}/deviation": deviation}
        return {**known, f"{self.name}/images in a subset": size}

    def _found(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None
    ) -> tuple[float, float]:
        config = self.config
        ours, true = self.vectors(outputs, references, context)
        return kernel_distance(ours, true, config.subsets, config.size, config.seed)


class KID(Kernel[KIDConfig]):
    """The kernel Inception distance: as `fid`, without its growth for small sets.

    - Formula: the unbiased squared maximum mean discrepancy of Inception's 2048 features under (x . y / 2048 + 1)^3,
      the mean over subsets; `kid/deviation` is its deviation over subsets, which is no standard error.
    - Protocol: images as for `fid`; 100 subsets of 1,000 images, or of half of the smaller set; of two sets of
      just 1,000 one subset, without a deviation. Not multiplied by anything; papers often print it times 100 or 1000.
      Equal sets score about 0, below it too.
    - Source: Bińkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs", ICLR 2018, section 4.
    """

    name = "kid"

    def space(self) -> Space:
        return shared(InceptionSpace, self.config.weights)


class KDRandom(Kernel[KDRandomConfig]):
    """The kernel distance in random convolutions: no KID, and not comparable with one; it needs no weights.

    - Formula: as `kid`, of the numbers of `fd-random`, under (x . y / 896 + 1)^3.
    - Protocol: images as for `fd-random`; equal sets score about 0, below it too.
    - Source: Bińkowski et al. 2018 for the distance; the features are ours.
    """

    name = "kd-random"

    def space(self) -> Space:
        return shared(RandomConvolutions, self.config.network_seed)


class NeighboursConfig(Config):
    """Options of precision and recall."""

    k: PositiveInt = 3
    """The neighbour that a ball reaches to: 3 as for precision and recall; papers take 5 for density and coverage."""


class PrecisionConfig(NeighboursConfig, InceptionConfig):
    """Options of `precision`."""


class PrecisionRandomConfig(NeighboursConfig, RandomConfig):
    """Options of `precision-random`."""


class Precision(MetricOfSets[C]):
    """Precision in some space, with recall, density and coverage beside it."""

    better = "higher"
    draws = 100
    halves = True
    ends = (0.0, 1.0)
    detail_ends: ClassVar[Mapping[str, tuple[float, float]]] = {
        "recall": (0.0, 1.0),
        "density": (0.0, math.inf),
        "coverage": (0.0, 1.0),
    }

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return self._found(outputs, references, context).precision

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        found = self._found(outputs, references, context)
        config: Any = self.config
        equal = math.nan
        if config.k < len(references):
            equal = coverage_of_equal(len(references), len(outputs), config.k)
        return {
            f"{self.name}/recall": found.recall,
            f"{self.name}/density": found.density,
            f"{self.name}/coverage": found.coverage,
            f"{self.name}/coverage of equal sets": equal,
        }

    def _found(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None
    ) -> Support:
        ours, true = self.vectors(outputs, references, context)
        config: Any = self.config
        if min(len(ours), len(true)) <= config.k:
            raise DataError(
                f"{self.name} looks at neighbour {config.k} of each image and needs more than {config.k} images of "
                "each set; say a smaller `k`"
            )
        return support(true, ours, config.k)


class PrecisionInception(Precision[PrecisionConfig]):
    """The share of outputs that lie among real images, with recall, density and coverage, in Inception's features.

    - Formula: a ball around each real image reaches to its k-th neighbour among real ones. Precision is the share of
      outputs within a ball, `recall` the share of real images within a ball of the outputs; `density` the number of
      balls that an output lies in, in parts of k (1 where the sets are one); `coverage` the share of balls that hold an
      output.
    - Protocol: images as for `fid`, k = 3. Few outputs of one kind have precision without recall.
    - Source: Kynkäänniemi et al., "Improved Precision and Recall Metric", NeurIPS 2019; Naeem et al., ICML 2020.
    """

    name = "precision"

    def space(self) -> Space:
        return shared(InceptionSpace, self.config.weights)


class PrecisionRandom(Precision[PrecisionRandomConfig]):
    """The same as `precision` in random convolutions, which need no weights.

    - Formula: as `precision`, in the numbers of `fd-random`.
    - Protocol: images as for `fd-random`, k = 3.
    - Source: Naeem et al., ICML 2020, section 4, which found random networks good for it; this network is ours.
    """

    name = "precision-random"

    def space(self) -> Space:
        return shared(RandomConvolutions, self.config.network_seed)
