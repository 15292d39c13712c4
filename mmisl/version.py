"""Version of mmisl, alone in a file so that ``setup.py`` can run it."""

__version__ = '0.1.0'
