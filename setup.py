"""Distribution of mmisl: floors here, tested versions in requirements/."""

import runpy

from setuptools import find_packages, setup

VERSION = runpy.run_path('mmisl/version.py')['__version__']

INSTALL_REQUIRES = [
    'jinja2>=3.1',
    'joblib>=1.3',
    'kornia>=0.9',
    'matplotlib>=3.8',
    'numpy>=1.26',
    'onedl-mmcv>=2.3.6',
    'onedl-mmengine>=0.10.12',
    'onedl-mmpretrain>=1.3.6',
    'pillow>=10.0',
    'rich>=13.0',
    'scikit-learn>=1.5',
    'scipy>=1.10',
    'tensorboard>=2.16',
    'torch>=2.4',
    'torchvision>=0.19',
]

# An extra can add a distribution but never take one away, and two faiss
# distributions overwrite each other. So neither is in INSTALL_REQUIRES: ask
# for exactly one of `cpu` and `gpu`.
EXTRAS_REQUIRE = {
    'cpu': ['faiss-cpu>=1.8'],
    'gpu': ['faiss-gpu>=1.14'],
    # Detection needs onedl-mmcv with compiled ops as well, which no
    # requirement can express: `make test` builds them, and
    # mmisl.environment names the command.
    'det': ['onedl-mmdetection>=3.5.1'],
    # The map of tools/report.py; UMAP in place of t-SNE is its own extra.
    'report': ['openTSNE>=1.0'],
    'umap': ['umap-learn>=0.5.7'],
    'wandb': ['wandb>=0.18'],
    'dev': [
        'codespell>=2.3',
        'hypothesis>=6.100',
        'lightly>=1.5',  # an oracle of the tests, nothing else
        'mypy>=1.10',
        'playwright>=1.50',  # opens reports in a browser
        'pytest>=8.0',
        'pytest-xdist>=3.6',
        'ruff>=0.9',
        'timm>=1.0',  # reads what tools/convert_backbone.py writes
        'umap-learn>=0.5.7',
        'wandb>=0.18',
    ],
}

setup(
    name='mmisl',
    version=VERSION,
    description='Self-supervised learning by neighbour discovery',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['mmisl', 'mmisl.*']),
    package_data={'mmisl.report': ['assets/**/*']},
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
)
