"""Local Aggregation over a bank whose rows are dealt out over the ranks."""

from . import local_aggregation

OVERRIDES = {**local_aggregation.OVERRIDES, 'model.memory.sharded': True}
