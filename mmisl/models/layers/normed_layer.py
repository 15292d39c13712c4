"""A layer with its normalisation: trained, frozen or none."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

NORMS = ('BN', 'frozen', 'none')


class NormedLayer(nn.Sequential):
    """Convolution or linear layer, batch normalisation, ReLU.

    ====== ================ ================ ======================
    norm   its statistics   weight and bias  keys
    ====== ================ ================ ======================
    BN     of the batch     learn            0.weight, 1.*
    frozen stay as they are stay as they are 0.weight, 1.*
    none   no normalisation; a bias instead  0.weight, 0.bias
    ====== ================ ================ ======================

    A layer without takes a checkpoint of the others through
    :func:`mmisl.weights.fold_norm`, and then computes what they compute in
    eval mode.

    Args:
        kind (Callable): ``nn.Conv2d`` or ``nn.Linear``.
        *args (int): Its arguments, without the bias.
        norm (str): 'BN', 'frozen' or 'none'. Defaults to 'BN'.

    Raises:
        ValueError: If ``norm`` is none of these.
    """

    def __init__(
        self,
        kind: Callable[..., nn.Conv2d | nn.Linear],
        *args: int,
        norm: str = 'BN',
    ) -> None:
        if norm not in NORMS:
            raise ValueError(
                f'norm must be one of {", ".join(NORMS)}, got {norm!r}'
            )
        # Where there is a normalisation, its shift does the bias's work.
        layer = kind(*args, bias=norm == 'none')
        modules: list[nn.Module] = [layer]
        if norm != 'none':
            is_conv = isinstance(layer, nn.Conv2d)
            batch_norm = nn.BatchNorm2d if is_conv else nn.BatchNorm1d
            modules.append(batch_norm(len(layer.weight)))
        # Not in place: a caller may keep the maps of several layers.
        super().__init__(*modules, nn.ReLU())
        self.norm = norm
        if norm == 'frozen':
            self[1].requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) or (B, C) to the same with the layer's outputs."""
        return super().forward(inputs)

    def train(self, mode: bool = True) -> NormedLayer:
        """Set the mode; a frozen normalisation stays in eval mode."""
        super().train(mode)
        if self.norm == 'frozen':
            self[1].eval()
        return self
