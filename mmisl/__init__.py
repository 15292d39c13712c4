"""Self-supervised learning by neighbour discovery.

Importing mmisl is cheap on purpose: it brings in no torch. The registries in
:mod:`mmisl.registry` find the rest by their ``locations`` when a config asks.
"""

from .version import __version__

__all__ = ['__version__']
