"""The miners that are compared: what each changes in the config's own."""

from __future__ import annotations

import copy
import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import ConfigError, check_config, describe
from mmengine.config import Config, DictAction
from mmengine.registry import DefaultScope

from mmisl.models.miners import BaseMiner, build_miner

# What a variant may set besides arguments of its miner.
VIEWS = 'views'
OWN = 'as configured'


@dataclass(frozen=True)
class Variant:
    """One of the compared miners.

    Attributes:
        name: What tables call it.
        overrides: What it changes, as it was asked for.
        miner: Its whole config.
        views: How many views of an image it looks at.
    """

    name: str
    overrides: dict[str, Any]
    miner: dict[str, Any]
    views: int

    def build(self, feat_dim: int) -> BaseMiner:
        """Build the miner for features of size D."""
        with DefaultScope.overwrite_default_scope('mmisl'):
            return build_miner(copy.deepcopy(self.miner), feat_dim)


def read_variants(
    texts: Sequence[str],
    plan: Path | None = None,
    patterns: Sequence[str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Overrides by name: those of a plan, then those of the command line.

    Args:
        texts (Sequence[str]): ``NAME`` or ``NAME:key=value,key=value``.
        plan (Path, optional): JSON file of ``{"variants": {NAME: {key:
            value}}}``.
        patterns (Sequence[str], optional): Shell patterns of the names that
            are wanted, in this order. Defaults to all.

    Returns:
        dict[str, dict[str, Any]]: The config's own miner where none is named.

    Raises:
        ConfigError: If the file or a text is of another form, two have one
            name, or a pattern matches none.
    """
    pairs = list(_read_plan(plan).items()) if plan is not None else []
    pairs += [_parse(text) for text in texts]
    found: dict[str, dict[str, Any]] = {}
    for name, overrides in pairs:
        if name in found:
            raise ConfigError(
                f'two variants are called {name!r}; give each a name of its '
                'own'
            )
        found[name] = overrides
    found = found or {OWN: {}}
    if patterns is None:
        return found
    chosen = {}
    for pattern in patterns:
        names = fnmatch.filter(found, pattern)
        if not names:
            raise ConfigError(
                f'--only {pattern!r} matches no miner; there are '
                f'{", ".join(map(repr, found))}'
            )
        chosen.update({name: found[name] for name in names})
    return chosen


def make_variants(
    cfg: Config,
    wanted: Mapping[str, Mapping[str, Any]],
    *,
    feat_dim: int,
    num_views: int,
) -> list[Variant]:
    """Complete and try out every miner before anything is encoded.

    Args:
        cfg (Config): Of a method that mines.
        wanted (Mapping): Overrides by name, from :func:`read_variants`.
            Dotted keys reach what the config lacks as well. One that names a
            ``type`` replaces the config's miner instead.
        feat_dim (int): D of the features.
        num_views (int): Views of an image that there are.

    Raises:
        ConfigError: If the config has no miner, or a variant cannot be built.
    """
    if not cfg.model.get('miner'):
        raise ConfigError(
            f'model.miner: missing in {cfg.filename}; give the config of a '
            'method that mines, such as configs/isl_r18_cifar10.py'
        )
    variants = []
    for name, overrides in wanted.items():
        try:
            variant = _complete(cfg, name, overrides, num_views)
            _check_views(variant, variant.build(feat_dim))
        except (ValueError, TypeError) as error:
            raise ConfigError(f'{name}: {describe(error)}') from error
        variants.append(variant)
    return variants


def _complete(
    cfg: Config, name: str, overrides: Mapping[str, Any], num_views: int
) -> Variant:
    settings = dict(overrides)
    views = settings.pop(VIEWS, num_views)
    if type(views) is not int or not 1 <= views <= num_views:
        raise ConfigError(
            f'{VIEWS} ({views!r}) must be in [1, {num_views}]; --views says '
            'how many are encoded'
        )
    options = {f'model.miner.{key}': value for key, value in settings.items()}
    if 'type' in settings:
        options['model.miner._delete_'] = True
    root = cfg.to_dict()
    trial = Config(
        dict(default_scope=root.get('default_scope'), model=root['model'])
    )
    trial.merge_from_dict(options)
    check_config(trial, required=['model'])
    miner = trial.to_dict()['model']['miner']
    return Variant(name, dict(overrides), miner, views)


def _check_views(variant: Variant, miner: BaseMiner) -> None:
    if variant.views < miner.min_views:
        raise ConfigError(
            f'this miner needs at least {miner.min_views} views of an image, '
            f'got {VIEWS}={variant.views}; raise {VIEWS}=, and --views where '
            'fewer are encoded'
        )


def _read_plan(path: Path) -> dict[str, dict[str, Any]]:
    form = 'a plan is {"variants": {NAME: {KEY: VALUE}}}'
    if not path.is_file():
        raise ConfigError(f'plan {path} does not exist; {form}')
    try:
        plan = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f'plan {path} is no JSON: {error}; {form}') from None
    variants = plan.get('variants') if isinstance(plan, dict) else None
    if not isinstance(variants, dict) or not all(
        isinstance(overrides, dict) for overrides in variants.values()
    ):
        raise ConfigError(f'plan {path} has no variants; {form}')
    return variants


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    name, _, settings = text.partition(':')
    overrides = {}
    for setting in settings.split(',') if settings else []:
        key, sign, value = setting.strip().partition('=')
        if not sign or not key:
            raise ConfigError(
                f'--miner {text!r}: {setting!r} is no KEY=VALUE; write '
                'NAME:KEY=VALUE,KEY=VALUE'
            )
        overrides[key] = DictAction._parse_int_float_bool(value)
    if not name.strip():
        raise ConfigError(
            f'--miner {text!r} has no name; write NAME:KEY=VALUE,KEY=VALUE'
        )
    return name.strip(), overrides
