"""What stands where in a config, and what its builder adds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    EVALUATOR,
    FUNCTIONS,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    VISBACKENDS,
    VISUALIZERS,
    WEIGHT_INITIALIZERS,
    Registry,
)
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader


@dataclass(frozen=True)
class Kind:
    """What the dicts at a place of a config are.

    Attributes:
        registries: Where their ``type`` is looked up: mmengine's, whose
            children hold those of the toolboxes. Empty for dicts that never
            have a type.
        keys: Keys of a dict without a type; None if any will do.
        known: Keys that the builder has itself. Others are legal, but not
            ones so close that they must be meant.
        needs_type: Whether a dict without a type is a slip.
        default_type: ``type`` of a dict that has none.
        injected: Arguments that the builder supplies.
        extra: Keys that the builder reads and does not pass on.
        checks_required: Whether the builder supplies ``injected`` only.
        children: Kind of what stands below a key. What stands below others
            is left to the class that gets it.
        others: Kind of what stands below any other key, if known.
        opaque: Types whose parts go to another library.
    """

    registries: tuple[Registry, ...] = ()
    keys: frozenset[str] | None = None
    known: frozenset[str] = frozenset()
    needs_type: bool = True
    default_type: str | None = None
    injected: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()
    checks_required: bool = True
    children: Mapping[str, Kind] = field(default_factory=dict)
    others: Kind | None = None
    opaque: frozenset[str] = frozenset()

    def child(self, key: str) -> Kind | None:
        """Kind of what stands below ``key``, or None if not known."""
        if key in self.children:
            return self.children[key]
        if key.endswith('_pipeline'):
            return PIPELINE
        if key.endswith('dataloader'):
            return DATALOADER
        return self.others


def parameters(function: Callable) -> frozenset[str]:
    """Names of the parameters of a method, without ``self``."""
    return frozenset(inspect.signature(function).parameters) - {'self'}


# The kinds that contain themselves get their children afterwards.
_TRANSFORM_PARTS: dict[str, Kind] = {}
_DATASET_PARTS: dict[str, Kind] = {}
_MODEL_PARTS: dict[str, Kind] = {}

PIPELINE = Kind(
    (TRANSFORMS,),
    children=_TRANSFORM_PARTS,
    opaque=frozenset({'Albu', 'Albumentations'}),
)
DATASET = Kind((DATASETS,), children=_DATASET_PARTS)
FUNCTION = Kind((FUNCTIONS,), checks_required=False)
SAMPLER = Kind(
    (DATA_SAMPLERS,),
    injected=frozenset({'dataset', 'seed', 'sampler', 'batch_size'}),
)
DATALOADER = Kind(
    needs_type=False,
    keys=parameters(DataLoader.__init__)
    | {'num_batch_per_epoch', 'disable_subprocess_warning'},
    children=dict(
        dataset=DATASET,
        sampler=SAMPLER,
        batch_sampler=SAMPLER,
        collate_fn=FUNCTION,
        worker_init_fn=FUNCTION,
    ),
)
OPTIMIZER = Kind((OPTIMIZERS,), injected=frozenset({'params'}))
MODEL = Kind((MODELS,), children=_MODEL_PARTS)
# mmdet adds settings of its own, such as the number of classes.
_DETECTOR_PART = replace(MODEL, checks_required=False)
_TRANSFORM_PARTS.update(transforms=PIPELINE)
_DATASET_PARTS.update(dataset=DATASET, datasets=DATASET, pipeline=PIPELINE)
# Parts that every owner hands to the registry as they are. Others it may
# complete first, or not build at all, such as norm_cfg.
_MODEL_PARTS.update(
    backbone=MODEL,
    neck=MODEL,
    head=MODEL,
    memory=MODEL,
    miner=MODEL,
    rpn_head=_DETECTOR_PART,
    roi_head=_DETECTOR_PART,
    bbox_roi_extractor=_DETECTOR_PART,
    shared_head=_DETECTOR_PART,
    bbox_head=_DETECTOR_PART,
    mask_roi_extractor=_DETECTOR_PART,
    mask_head=_DETECTOR_PART,
    data_preprocessor=replace(MODEL, needs_type=False),
    augments=MODEL,
    init_cfg=Kind(
        (WEIGHT_INITIALIZERS,),
        needs_type=False,
        extra=frozenset({'layer', 'override'}),
    ),
)
HOOK = Kind(
    (HOOKS,),
    extra=frozenset({'priority'}),
    children=dict(dataset=DATASET),
)
LOOP = Kind(
    (LOOPS,), injected=frozenset({'runner', 'dataloader', 'evaluator'})
)
EVALUATION = Kind(
    (METRICS, EVALUATOR),
    children=dict(metrics=Kind((METRICS,))),
)
OPTIM_WRAPPER = Kind(
    (OPTIM_WRAPPERS,),
    default_type='OptimWrapper',
    extra=frozenset({'constructor', 'paramwise_cfg'}),
    children=dict(
        optimizer=OPTIMIZER,
        # Its type says which of the two it is for.
        clip_grad=Kind(
            keys=(parameters(clip_grad_norm_) | parameters(clip_grad_value_))
            - {'parameters'}
            | {'type'}
        ),
    ),
)
# All that mmengine's constructor reads; it says nothing of other keys.
PARAMWISE = Kind(
    keys=frozenset(
        {
            'bias_decay_mult',
            'bias_lr_mult',
            'bypass_duplicate',
            'custom_keys',
            'dcn_offset_lr_mult',
            'dwconv_decay_mult',
            'flat_decay_mult',
            'norm_decay_mult',
        }
    )
)
CONFIG = Kind(
    needs_type=False,
    children=dict(
        model=MODEL,
        # A model may have a default for its type.
        data_preprocessor=replace(MODEL, needs_type=False),
        # Without a type, by_epoch chooses one of mmengine's loops.
        train_cfg=replace(
            LOOP,
            needs_type=False,
            keys=frozenset({'by_epoch'})
            | parameters(EpochBasedTrainLoop.__init__)
            | parameters(IterBasedTrainLoop.__init__) - LOOP.injected,
        ),
        val_cfg=replace(LOOP, default_type='ValLoop'),
        test_cfg=replace(LOOP, default_type='TestLoop'),
        val_evaluator=EVALUATION,
        test_evaluator=EVALUATION,
        optim_wrapper=OPTIM_WRAPPER,
        param_scheduler=Kind(
            (PARAM_SCHEDULERS,),
            injected=frozenset({'optimizer'}),
            extra=frozenset({'convert_to_iter_based', 'epoch_length'}),
        ),
        default_hooks=Kind(
            needs_type=False,
            known=frozenset(
                {
                    'checkpoint',
                    'logger',
                    'param_scheduler',
                    'runtime_info',
                    'sampler_seed',
                    'timer',
                }
            ),
            others=HOOK,
        ),
        custom_hooks=HOOK,
        visualizer=Kind(
            (VISUALIZERS,),
            injected=frozenset({'name', 'save_dir'}),
            children=dict(
                vis_backends=Kind(
                    (VISBACKENDS,), injected=frozenset({'save_dir'})
                )
            ),
        ),
        log_processor=Kind((LOG_PROCESSORS,), default_type='LogProcessor'),
        auto_scale_lr=Kind(
            needs_type=False, keys=frozenset({'base_batch_size', 'enable'})
        ),
        randomness=Kind(
            needs_type=False, keys=parameters(Runner.set_randomness)
        ),
        env_cfg=Kind(
            needs_type=False,
            keys=frozenset(
                {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'}
            ),
        ),
    ),
)
