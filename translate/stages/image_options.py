"""Options of stages that translate images: what images hold beside colours."""

from __future__ import annotations

from pydantic import PositiveFloat

from translate.contracts import Config
from translate.imaging.appearance.handling import Alpha, Handling, Keeping
from translate.imaging.colour.spaces import Colour


class ImageOptions(Config):
    """How images are treated on their way into the networks and back; see `Handling`."""

    alpha: Alpha = "over-white"
    """`over-white` shows the networks images with alpha on white paper, and takes it out of their output again;
    `channel` translates alpha as well; `ignore` shows them the colours as stored."""
    white: PositiveFloat | None = None
    """White in images of more than 8 bits, such as 4095 for counts of 12 bits; `null` takes what the training stated,
    else what the file says."""
    colour: Colour | None = None
    """Space of the colours that the networks see: files of other spaces are turned into it and back; `as-is` takes the
    numbers of files. `null` takes that of the training, which is `srgb` where nothing was said."""
    metadata: Keeping = "keep"
    """`keep` gives outputs what files say beside pixels (profile, resolution, EXIF, XMP, GeoTIFF, texts), as far as it
    is true of them; `none` gives them nothing."""

    def handling(self) -> Handling:
        """These options as the translator takes them."""
        return Handling(self.alpha, self.white, self.colour, self.metadata)
