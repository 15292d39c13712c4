"""What counts as a change of weights."""

import torch
from torch import nn

from mmisl.weights import fingerprint, fingerprints


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_fingerprints__same_bits():
    first, second = make_model(), make_model()
    assert fingerprint(first) == fingerprint(second)
    assert fingerprints(first) == fingerprints(second)
    assert list(fingerprints(first)) == list(first.state_dict())


def test_fingerprints__name_the_parameter_and_the_buffer_that_changed():
    model = make_model()
    whole, parts = fingerprint(model), fingerprints(model)
    with torch.no_grad():
        model[0].weight[1, 0] += 1e-7
    model[1].running_var[2] *= 1.5
    assert fingerprint(model) != whole
    after = fingerprints(model)
    changed = [name for name in parts if parts[name] != after[name]]
    assert changed == ['0.weight', '1.running_var']


def test_fingerprints__same_values_stored_otherwise():
    model = make_model()
    whole, parts = fingerprint(model), fingerprints(model)
    model[0].bias.data = model[0].bias.data.double()
    assert fingerprint(model) != whole
    assert fingerprints(model)['0.bias'] != parts['0.bias']
    model = make_model()
    # Laid out by columns: the same matrix.
    model[0].weight.data = model[0].weight.data.T.contiguous().T
    assert fingerprint(model) == whole
