"""The diversity of several answers to one input, beside that of the real ones."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from itertools import combinations

from torch import Tensor

from translate.contracts import EvaluationContext, Metric, NoOptions
from translate.errors import DataError


class Diversity(Metric[NoOptions]):
    """How far the answers to one input are apart: 0 where they are all the same.

    - Formula: mean |a - b| over all pixels and channels of two outputs a, b of equal inputs; the mean over all pairs of
      an input's outputs, then over inputs. `diversity/real` is the same of the references, the real answers to the
      input; `diversity/share` is the part of it that the outputs reach, diversity / real.
    - Protocol: values in [0, 1]. Images whose inputs are equal in every pixel answer one input: data holds such an
      input once for each of its answers (`looks` of `generated-sketches`), and a method draws anew for each. Inputs
      with one output alone are left out. More is no better by itself: noise is diverse, too.
    - Source: Zhu et al., "Toward Multimodal Image-to-Image Translation", NIPS 2017, section 5.1, with the distance of
      pixels in place of that of deep features; what `translate convert --samples` reports.
    """

    name = "diversity"
    ends = (0.0, math.inf)
    better = "higher"
    needs_context = True

    def score(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> float:
        return spread(outputs, self._answers(context))

    def details(
        self, outputs: Sequence[Tensor], references: Sequence[Tensor], context: EvaluationContext | None = None
    ) -> Mapping[str, float]:
        answers = self._answers(context)
        ours, real = spread(outputs, answers), spread(references, answers)
        return {"diversity/real": real, "diversity/share": ours / real if real else math.nan}

    def _answers(self, context: EvaluationContext | None) -> list[list[int]]:
        assert context is not None  # as `needs_context` says
        answers = equal_images(context.inputs)
        if not answers:
            raise DataError(
                "diversity compares several answers to one input, and no two inputs here are equal; for generated "
                "sketches say `colour: free, looks: 5`"
            )
        return answers


def equal_images(images: Sequence[Tensor]) -> list[list[int]]:
    """The places of images that are equal, as groups of two and more, in the order of their first members."""
    places: dict[str, list[int]] = {}
    for place in range(len(images)):
        image = images[place]
        digest = hashlib.sha256(f"{tuple(image.shape)}".encode() + image.contiguous().numpy().tobytes()).hexdigest()
        places.setdefault(digest, []).append(place)
    return [group for group in places.values() if len(group) > 1]


def spread(images: Sequence[Tensor], groups: Sequence[Sequence[int]]) -> float:
    """The mean distance of two images of one group, over the pairs of a group, then over groups.

    Errors: DataError for images of two sizes in a group.
    """
    means = []
    for group in groups:
        members = [images[place] for place in group]
        if len({member.shape for member in members}) > 1:
            raise DataError("diversity compares answers of one size, and two answers to one input differ in size")
        distances = [float((a - b).abs().double().mean()) for a, b in combinations(members, 2)]
        means.append(math.fsum(distances) / len(distances))
    return math.fsum(means) / len(means)
