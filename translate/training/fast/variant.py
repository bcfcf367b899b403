"""One way to compute a training step: number format, order in memory, joined calls, layers, optimizer, threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from translate.device import Precision

MemoryFormat = Literal["contiguous", "channels_last"]
Layers = Literal["plain", "quick"]
Steps = Literal["eager", "graph", "compile"]


@dataclass(frozen=True)
class Variant:
    """A way to compute steps. All of them compute the same within the rounding of their `precision`.

    `merge` joins two calls of a network into one (`translate.batched`), `layers` are torch's own or those of
    `fast/layers.py`, `fused` updates all weights in one call, `threads` are those of a processor, None for as many as
    torch takes. `step` says whether steps are queued as they come, recorded once as a CUDA graph, or made with compiled
    networks; `tf32` lets CUDA shorten float32 in products. Without arguments it is the plain loop in float32.
    """

    precision: Precision = "fp32"
    memory_format: MemoryFormat = "contiguous"
    merge: bool = False
    layers: Layers = "plain"
    fused: bool = False
    threads: int | None = None
    step: Steps = "eager"
    tf32: bool = False

    def to_json(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Variant:
        """What a checkpoint kept; what a later version added to it is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in saved.items() if name in known})

    def __str__(self) -> str:
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield self.precision
        if self.memory_format == "channels_last":
            yield "channels-last"
        if self.layers == "quick":
            yield "quick layers"
        if self.merge:
            yield "joined calls"
        if self.fused:
            yield "fused optimizer"
        if self.step != "eager":
            yield {"graph": "recorded steps", "compile": "compiled networks"}[self.step]
        if self.tf32:
            yield "TF32"
        if self.threads is not None:
            yield f"{self.threads} threads"
