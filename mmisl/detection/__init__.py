"""What mmdet's detectors lack to start from a network of mmisl.

The only room that imports mmdet, so nothing else does: a config that wants
it says ``custom_imports = dict(imports=['mmisl.detection'],
allow_failed_imports=False)``, in mmisl, mmdet or a toolbox of one's own.
"""

# Registers ResLayerExtraNorm, the last stage of a ResNet with a normalisation
# behind it, in mmdet.
import mmpretrain.models.utils.res_layer_extra_norm  # noqa: F401

from .proposals import (
    check_proposals,
    proposal_key,
    read_proposals,
    write_proposals,
)
from .shared_heads import AlexNetFCHead

__all__ = [
    'AlexNetFCHead',
    'check_proposals',
    'proposal_key',
    'read_proposals',
    'write_proposals',
]
