"""A network that reads DNA, cut into what gives the features of a window and what classifies these."""

from __future__ import annotations

import copy

from torch import nn

from kgreg.errors import FitError
from kgreg.nn.contacts.classifier import WindowClassifier
from kgreg.nn.sequence.network import SequenceNetwork


def split_at_features(network: SequenceNetwork) -> tuple[nn.Sequential, WindowClassifier]:
    """Return an encoder ``[batch, 4, length] -> [batch, n_features]`` and the classifier above it, both copies.

    Parameters
    ----------
    network
        Trained or not. Its layers are plain ones, of which the last two are ``dense`` with the activation "relu" and
        ``norm``, as in the recipe ``chromegcn``.

    Raises
    ------
    FitError
        If the layers are others.
    """
    stack = network.stack()
    parts = [] if stack is None else list(stack)
    wanted = (nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Linear)
    if len(parts) < 4 or not all(isinstance(part, kind) for part, kind in zip(parts[-4:], wanted, strict=True)):
        raise FitError(
            "The network does not end in a dense layer with ReLU, a normalisation and its head.",
            'End [network] layers with { kind = "dense", units = 128 }, { kind = "norm" }, as in the recipe chromegcn.',
        )
    linear, _, norm, head = parts[-4:]
    assert isinstance(linear, nn.Linear)
    assert isinstance(head, nn.Linear)
    classifier = WindowClassifier(linear.out_features, head.out_features)
    classifier.norm.load_state_dict(norm.state_dict())
    classifier.out.load_state_dict(head.state_dict())
    return copy.deepcopy(nn.Sequential(*parts[:-3])), classifier.train(network.training)
