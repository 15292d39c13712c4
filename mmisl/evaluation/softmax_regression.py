"""Multinomial logistic regression with an L2 penalty, solved to its end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

# Shares of the largest energy: axes with less, of fewer rows than columns,
# are rounding; and what products in float32 can tell from none.
_MIN_ENERGY, _RESOLUTION = 1e-12, 1e-7
# Values of the logits that exist at a time.
_BLOCK_VALUES = 2**22


class PrincipalAxes:
    """Features in the axes of their own covariance, ready for many fits.

    A rotation changes no solution of a problem whose penalty is a norm, but
    here every axis can be given its own step: L-BFGS then needs tens of
    iterations where it needs hundreds on features as they are, whose energies
    lie decades apart. Of fewer rows than columns only the axes that they
    span are kept, as all other weights are 0 in every solution.

    Args:
        feats (Tensor): (N, C) float, finite.
        rescale (bool): Divide by the root mean square distance from the
            mean, so that a penalty means the same for any network.

    Attributes:
        rows: (N, A) float32, centred and rotated, A <= min(N, C).
        energy: (A,) float64, sums of squares along each axis, falling.
    """

    def __init__(self, feats: Tensor, *, rescale: bool) -> None:
        feats = feats.detach()
        self._mean = feats.mean(0, dtype=torch.float64)
        centred = self._centre(feats)
        scale = 1.0
        if rescale:
            squares = centred.square().sum(dtype=torch.float64)
            scale = float((squares / len(feats)).sqrt().clamp_min(1e-12))
            centred /= scale
        self.energy, axes = _principal_axes(centred)
        self._axes = axes / scale
        self.rows = centred @ axes.to(centred)

    def rotate(self, feats: Tensor) -> Tensor:
        """Features (M, C) of other images in these axes, (M, A) float32."""
        centred = self._centre(feats.detach().to(self._mean.device))
        return centred @ self._axes.to(centred)

    def unrotate(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """A classifier of rotated features, for features as they were.

        Args:
            weight (Tensor): (K, A) float.
            bias (Tensor): (K,) float.

        Returns:
            tuple[Tensor, Tensor]: (K, C) and (K,) float64.
        """
        weight = weight.double() @ self._axes.T
        return weight, bias.double() - weight @ self._mean

    def _centre(self, feats: Tensor) -> Tensor:
        blocks = feats.split(8192)
        parts = [(block - self._mean).float() for block in blocks]
        return torch.cat(parts)


@dataclass(frozen=True)
class SoftmaxFit:
    """A linear classifier of rotated features.

    Attributes:
        weight: (K, A) float32.
        bias: (K,) float32.
        objective: Penalised loss that was reached, a mean over the rows.
        num_evaluations: Of the loss and its gradient.
        converged: Whether the solver ended before ``max_iters``.
    """

    weight: Tensor
    bias: Tensor
    objective: float
    num_evaluations: int
    converged: bool

    def predict(self, rows: Tensor) -> Tensor:
        """Best class of rows (M, A): (M,) int64 in [0, K)."""
        blocks = rows.split(_block_rows(len(self.bias)))
        scores = (torch.addmm(self.bias, b, self.weight.T) for b in blocks)
        return torch.cat([score.argmax(1) for score in scores])


@torch.no_grad()
def fit_softmax(
    rows: Tensor,
    energy: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    inverse_penalty: float,
    tolerance: float = 1e-8,
    max_iters: int = 1000,
) -> SoftmaxFit:
    r"""Minimise the penalised loss of a linear softmax classifier.

    .. math::
        \sum_i -\log p_{y_i}(x_i) + \frac{1}{2C} \lVert W \rVert^2

    The bias is not penalised: scikit-learn's ``LogisticRegression(C=C)``. The
    solver is scipy's L-BFGS-B on variables scaled by the curvature that the
    loss has at weight 0, begun there. Products are float32, sums and
    variables float64.

    Args:
        rows (Tensor): (N, A) float32 from :class:`PrincipalAxes`, or some of
            its rows.
        energy (Tensor): (A,) float64, of all of them.
        labels (Tensor): (N,) int64 in [0, K).
        num_classes (int): K.
        inverse_penalty (float): C > 0.
        tolerance (float): Steps end where the objective falls by less than
            this share of itself, > 0. Defaults to 1e-8, which on features
            with a power-law spectrum (8,000 x 512, 20 classes, penalties over
            eight decades) left it at most 1e-4 above its minimum, or 5e-3
            where the classes are separable and the minimum is all but 0.
        max_iters (int): Of L-BFGS. Defaults to 1000.

    Returns:
        SoftmaxFit: On the device of ``rows``.
    """
    num_axes = rows.shape[1]
    penalty = 1 / inverse_penalty
    energy = energy.clamp_min(float(energy.max()) * _RESOLUTION)
    curvature = energy.cpu() / num_classes + penalty
    # One column more for the bias, whose feature is 1.
    steps = torch.cat([curvature, curvature.new_full((1,), len(rows))])
    steps[-1] /= num_classes
    steps = steps.rsqrt()

    def unpack(flat: np.ndarray) -> tuple[Tensor, Tensor]:
        scaled = torch.from_numpy(flat).view(num_classes, num_axes + 1) * steps
        return scaled[:, :-1], scaled[:, -1]

    def evaluate(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = unpack(flat)
        loss, gradient = _loss_and_gradient(rows, labels, weight, bias)
        loss += 0.5 * penalty * float(weight.square().sum())
        gradient[:, :-1] += penalty * weight
        gradient *= steps / len(rows)
        return loss / len(rows), gradient.flatten().numpy()

    found = minimize(
        evaluate,
        np.zeros(num_classes * (num_axes + 1)),
        jac=True,
        method='L-BFGS-B',
        options=dict(
            maxiter=max_iters,
            maxfun=2 * max_iters,
            gtol=0.0,
            ftol=tolerance,
        ),
    )
    weight, bias = unpack(found.x)
    return SoftmaxFit(
        weight.to(rows),
        bias.to(rows),
        float(found.fun),
        int(found.nfev),
        # Status 2 is a line search that finds nothing lower: what is left is
        # the rounding of the products.
        found.status != 1,
    )


def _loss_and_gradient(
    rows: Tensor, labels: Tensor, weight: Tensor, bias: Tensor
) -> tuple[float, Tensor]:
    """Summed loss, and its gradient (K, A + 1) float64 on the host."""
    weight, bias = weight.to(rows), bias.to(rows)
    gradient = torch.zeros_like(weight)
    bias_gradient = torch.zeros_like(bias, dtype=torch.float64)
    loss = torch.zeros_like(bias_gradient[0])
    size = _block_rows(len(bias))
    for block, wanted in zip(rows.split(size), labels.split(size)):
        log_p = torch.addmm(bias, block, weight.T).log_softmax(1)
        wanted = wanted[:, None]
        loss -= log_p.gather(1, wanted).sum(dtype=torch.float64)
        residual = log_p.exp_()
        residual.scatter_add_(
            1, wanted, residual.new_full((1, 1), -1.0).expand_as(wanted)
        )
        gradient += residual.T @ block
        bias_gradient += residual.sum(0, dtype=torch.float64)
    whole = torch.cat([gradient.double(), bias_gradient[:, None]], dim=1)
    return float(loss), whole.cpu()


def _principal_axes(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Energies (A,) and axes (C, A) float64 of centred rows (N, C)."""
    if len(centred) >= centred.shape[1]:
        # Rounding of the products makes the axes less than principal, but
        # leaves them at right angles, and no solution changes.
        energy, axes = torch.linalg.eigh((centred.T @ centred).double())
        return energy.flip(0).clamp_min(0), axes.flip(1)
    centred = centred.double()
    energy, rows = torch.linalg.eigh(centred @ centred.T)
    energy, rows = energy.flip(0), rows.flip(1)
    kept = energy > energy[0] * _MIN_ENERGY
    kept[0] = True  # rows that are all the same still have an axis
    axes = centred.T @ rows[:, kept]
    norms = torch.linalg.vector_norm(axes, dim=0).clamp_min(1e-300)
    return energy[kept].clamp_min(0), axes / norms


def _block_rows(num_classes: int) -> int:
    return max(1, _BLOCK_VALUES // num_classes)
