"""The variant that a training computes with: what its options fix, what a checkpoint holds, what a trial found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from translate.device import precision as precision_on, precision_problem
from translate.training.config import FastConfig, TrainConfig
from translate.training.fast.variant import MemoryFormat, Variant


class Choice:
    """The `variant` that an engine computes with on a device.

    `fixed` says that the pipeline names it, `settled` that no trial is due any more, `precise` that the pipeline names
    the precision. `before` is the variant of the checkpoint that was restored last, where there is one.
    """

    def __init__(self, variant: Variant, *, fixed: bool = True, precise: bool = True, device: str = "cpu") -> None:
        self.variant, self.device = variant, device
        self.fixed = self.settled = fixed
        self.precise = precise
        self.before: Variant | None = None

    @classmethod
    def of(cls, config: TrainConfig, device: str) -> Choice:
        """What the options of a training say about it."""
        fast = config.fast
        if fast == "off":
            # the plain loop is one in float32, unless the pipeline asks for another precision
            return cls(Variant("fp32" if config.precision == "auto" else config.precision))
        precision, precise = precision_on(config.precision, device), config.precision != "auto"
        # tensor cores want tensors channels-last; on a CPU torch's own norms lose what that gains
        last = device.startswith("cuda") and precision != "fp32"
        order: MemoryFormat = "channels_last" if last else "contiguous"
        shorter = device.startswith("cuda") and config.precision != "fp32"
        natural = Variant(precision, order, merge=True, fused=True, tf32=shorter)
        if isinstance(fast, FastConfig):
            return cls(_fixed(fast, natural), precise=precise, device=device)
        return cls(natural, fixed=False, precise=precise, device=device)

    def settle(self, variant: Variant) -> None:
        """Takes the variant for the rest of the training."""
        self.variant, self.settled = variant, True

    def to_json(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {**self.variant.to_json(), "settled": self.settled}

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Takes over what a checkpoint kept, unless the pipeline fixes a variant or the device has not its precision.
        None: the checkpoint is of a version that had one variant, the one that options alone give."""
        self.before = self.variant if saved is None else Variant.from_json(saved)
        keeps = self.precise or precision_problem(self.before.precision, self.device)
        precision = self.variant.precision if keeps else self.before.precision
        if not self.fixed:
            self.variant, self.settled = self.before, saved is None or bool(saved["settled"])
        self.variant = replace(self.variant, precision=precision)

    def note(self) -> str:
        """A sentence where the pipeline asks for another variant than the one of the checkpoint; else nothing."""
        if self.before is None or self.before == self.variant:
            return ""
        return f"steps are computed in {self.variant} from here on, so far in {self.before}; the last bits differ"


def _fixed(fast: FastConfig, natural: Variant) -> Variant:
    return Variant(
        natural.precision,
        fast.memory_format or natural.memory_format,
        fast.merge,
        fast.layers,
        fast.fused,
        fast.threads,
        fast.step,
        natural.tf32 if fast.tf32 is None else fast.tf32,
    )
