"""Images larger than memory: networks run strip by strip, with the result of the whole image. README.md explains how.

Only what stands here is for other parts of the project.
"""

from translate.inference.streaming.streamer import Streamer, Tile, parse_tile

__all__ = ["Streamer", "Tile", "parse_tile"]
