"""Image-to-image translation: train, convert and score with one pipeline file; methods are plugins.

Everything that a plugin may import stands in `__init__.pyi`, each name once. It is imported when it is first used, so
that `import translate` costs nothing.
"""

import lazy_loader

from translate.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
