from .atomic_checkpoint_hook import AtomicCheckpointHook
from .deferred_loss_hook import DeferredLossHook
from .frozen_backbone_hook import FrozenBackboneHook
from .knn_gallery_hook import KNNGalleryHook
from .memory_bank_hook import MemoryBankHook
from .mining_snapshot_hook import MiningSnapshotHook
from .neighbor_picture_hook import NeighborPictureHook
from .preprocessing_check_hook import PreprocessingCheckHook
from .progress_hook import ProgressHook
from .run_record_hook import RunRecordHook
from .stage_times_hook import StageTimesHook

__all__ = [
    'AtomicCheckpointHook',
    'DeferredLossHook',
    'FrozenBackboneHook',
    'KNNGalleryHook',
    'MemoryBankHook',
    'MiningSnapshotHook',
    'NeighborPictureHook',
    'PreprocessingCheckHook',
    'ProgressHook',
    'RunRecordHook',
    'StageTimesHook',
]
