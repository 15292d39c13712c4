"""Registries of mmisl: children of mmengine's.

Each of the first group names the package that fills it in ``locations``, so a
config of any OpenMMLab toolbox builds ``type='mmisl.ISL'`` with nothing
imported before. The second group holds nothing of mmisl's own: mmengine looks
a type up in the registry of the default scope and falls back from there to its
own, which without these children it does with a warning each.
"""

from mmengine import registry as root
from mmengine.registry import Registry

MODELS = Registry('model', parent=root.MODELS, locations=['mmisl.models'])
DATASETS = Registry(
    'dataset', parent=root.DATASETS, locations=['mmisl.datasets']
)
DATA_SAMPLERS = Registry(
    'data sampler', parent=root.DATA_SAMPLERS, locations=['mmisl.datasets']
)
HOOKS = Registry('hook', parent=root.HOOKS, locations=['mmisl.engine.hooks'])
LOOPS = Registry('loop', parent=root.LOOPS, locations=['mmisl.engine.loops'])
RUNNERS = Registry(
    'runner', parent=root.RUNNERS, locations=['mmisl.engine.runner']
)
METRICS = Registry(
    'metric', parent=root.METRICS, locations=['mmisl.evaluation']
)
OPTIM_WRAPPERS = Registry(
    'optim_wrapper',
    parent=root.OPTIM_WRAPPERS,
    locations=['mmisl.engine.optim_wrappers'],
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor',
    parent=root.OPTIM_WRAPPER_CONSTRUCTORS,
    locations=['mmisl.engine.optim_wrappers'],
)
WEIGHT_INITIALIZERS = Registry(
    'weight initializer',
    parent=root.WEIGHT_INITIALIZERS,
    locations=['mmisl.weights'],
)
VISBACKENDS = Registry(
    'vis_backend',
    parent=root.VISBACKENDS,
    locations=['mmisl.visualization'],
)
LOG_PROCESSORS = Registry(
    'log_processor',
    parent=root.LOG_PROCESSORS,
    locations=['mmisl.engine.log_processor'],
)

TRANSFORMS = Registry('transform', parent=root.TRANSFORMS)
FUNCTIONS = Registry('function', parent=root.FUNCTIONS)
OPTIMIZERS = Registry('optimizer', parent=root.OPTIMIZERS)
PARAM_SCHEDULERS = Registry(
    'parameter scheduler', parent=root.PARAM_SCHEDULERS
)
MODEL_WRAPPERS = Registry('model_wrapper', parent=root.MODEL_WRAPPERS)
EVALUATOR = Registry('evaluator', parent=root.EVALUATOR)
VISUALIZERS = Registry('visualizer', parent=root.VISUALIZERS)
