"""neuraloperator's FNO made to do the same work as ours, from the same weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from experiments.models.fno import FNO

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from neuralop.models import FNO as Peer


class GeluOnce:
    """GELU at every other call. Without its channel MLP, a block of neuraloperator 2.0 applies the nonlinearity twice
    in a row; the second time is left out here, so that both models do, and give, the same."""

    def __init__(self) -> None:
        self._odd = False

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self._odd = not self._odd
        return torch.nn.functional.gelu(x) if self._odd else x


def peer(spec: FNO, parameters: Mapping[str, torch.Tensor]) -> Any:
    """A module from (samples, channels, n, n) to (samples, 1, n, n)."""
    net = Peer(
        n_modes=(2 * spec.modes, 2 * spec.modes - 2),
        in_channels=len(parameters["lift.weight"]),
        out_channels=1,
        hidden_channels=spec.width,
        n_layers=spec.blocks,
        lifting_channel_ratio=0,
        projection_channel_ratio=2,
        positional_embedding=None,
        use_channel_mlp=False,
    )
    net.fno_blocks.non_linearity = GeluOnce()
    with torch.no_grad():
        for name, tensor in _renamed(spec, parameters).items():
            net.get_parameter(name).copy_(tensor)
    return net


def _renamed(spec: FNO, p: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our parameters under the peer's names, in its shapes."""
    found = {}
    for ours, theirs in (("lift", "lifting.fcs.0"), ("hidden", "projection.fcs.0"), ("output", "projection.fcs.1")):
        found[f"{theirs}.weight"], found[f"{theirs}.bias"] = p[f"{ours}.weight"].T[..., None], p[f"{ours}.bias"]
    for block in range(spec.blocks):
        plus, minus = torch.complex(*p[f"blocks.{block}.spectral"].unbind(3)).split(spec.modes)
        centred = torch.cat([minus.flip(0), plus])  # kx = -modes .. modes - 1
        found[f"fno_blocks.convs.{block}.weight.tensor"] = centred.permute(2, 3, 0, 1)
        found[f"fno_blocks.convs.{block}.bias"] = p[f"blocks.{block}.bias"][:, None, None]
        found[f"fno_blocks.fno_skips.{block}.conv.weight"] = p[f"blocks.{block}.weight"].T[..., None]
    return found
