from .architectures import RESNETS, recognise_resnet
from .checkpoints import (
    encoder_state,
    key_mismatch,
    load_backbone,
    load_encoder,
    read_checkpoint,
    state_mismatch,
)
from .config_preprocessing import (
    UnknownPreprocessing,
    check_config_preprocessing,
    known_preprocessing,
    preprocessing_of,
    turning_flag,
)
from .fingerprint import fingerprint, fingerprints
from .fold_norm import fold_norm
from .preprocessing import (
    IMAGENET,
    META_KEY,
    Preprocessing,
    check_preprocessing,
    required_preprocessing,
    stored_preprocessing,
)
from .pretrained_parts import PretrainedParts
from .sources import SOURCES, Backbone, guess_source, take_backbone
from .strict_pretrained import StrictPretrained, check_loaded
from .targets import TARGETS, check_target, detectron2_key, write_backbone

__all__ = [
    'IMAGENET',
    'META_KEY',
    'RESNETS',
    'SOURCES',
    'TARGETS',
    'Backbone',
    'Preprocessing',
    'PretrainedParts',
    'StrictPretrained',
    'UnknownPreprocessing',
    'check_config_preprocessing',
    'check_loaded',
    'check_preprocessing',
    'check_target',
    'detectron2_key',
    'encoder_state',
    'fingerprint',
    'fingerprints',
    'fold_norm',
    'guess_source',
    'key_mismatch',
    'known_preprocessing',
    'load_backbone',
    'load_encoder',
    'preprocessing_of',
    'read_checkpoint',
    'recognise_resnet',
    'required_preprocessing',
    'state_mismatch',
    'stored_preprocessing',
    'take_backbone',
    'turning_flag',
    'write_backbone',
]
