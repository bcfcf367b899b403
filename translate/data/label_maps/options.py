"""Options of every source that reads label maps: which class a value or a colour in a file stands for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from translate.contracts import IGNORE, Config
from translate.errors import DataError
from translate.imaging.palette import Colour

Count = Annotated[int, Field(ge=0, le=255)]


class LabelOptions(Config):
    """How label maps are read. Without any of these, the values of grey or palette images are class indices."""

    palette: tuple[Colour, ...] = ()
    """Of label maps: colour of each class, R, G and B from 0 to 255: `[[128, 128, 128], ...]`; empty takes those of
    PASCAL VOC. Label maps in colour are read by it."""
    values: tuple[int, ...] = ()
    """Of label maps: value of each class in the files, such as `[0, 255]`; empty: 0 for the first class, 1 for the
    second, and so on."""
    ignore: int | Colour = IGNORE
    """Of label maps: value, or colour `[R, G, B]`, of pixels that belong to no class; the value 255 is one in any case
    where it is not among `values`."""
    by: Literal["index", "colour"] | None = None
    """Of label maps: whether values are read (`index`) or colours, by the `palette` (`colour`); `null` reads values
    where files hold some, and colours of colour images."""
    tolerance: Count = 0
    """Of label maps: largest difference of a value, or of R, G and B, from that of a class that still counts as it;
    the nearest class is taken. Files that lose something (JPEG) need it."""
    alpha: Literal["drop", "no-class", "mask"] | None = None
    """Of label maps with transparency: `drop` passes over it, `no-class` gives transparent pixels no class, `mask`
    takes it for the values (0 is transparent); `null` refuses such files."""

    @model_validator(mode="after")
    def _readable(self) -> LabelOptions:
        if len(set(self.values)) < len(self.values):
            raise ValueError("two classes of one value in `values`")
        if self.ignore in self.values and self.ignore != IGNORE:
            raise ValueError(f"{self.ignore} is the value of a class and `ignore`, too")
        if self.by == "colour" and not self.palette:
            raise ValueError("`by: colour` needs the colour of each class, `palette: [[0, 0, 0], [255, 0, 0]]`")
        if self.by == "colour" and self.values:
            raise ValueError("`values` are read with `by: index`, colours by the `palette` alone")
        return self

    @property
    def ignored_value(self) -> int | None:
        """The value of no class; None where a colour is stated, or where 255 is the value of a class."""
        return self.ignore if isinstance(self.ignore, int) and self.ignore not in self.values else None


def check_codes(options: LabelOptions, classes: int, place: str) -> None:
    """Errors: DataError where `values` are not one for each class."""
    if options.values and len(options.values) != classes:
        raise DataError(f"{place}: {len(options.values)} `values` for {classes} classes: give one for each")
