"""u of a network at fixed points, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api import lazy_import
from experiments.pinns.derivatives import Block, Layout, Weights, Workspace
from experiments.pinns.network import Network

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    torch = lazy_import("torch")


class Field:
    """u at points (n, axes): no derivatives, no gradient."""

    def __init__(self, network: Network, points: np.ndarray) -> None:
        self._network = network
        chunks = [network.tensor(chunk) for chunk in network.blocks(points)]
        self._fed = [network.embedded(chunk) for chunk in chunks]
        ansatz = network.ansatz
        self._made = None if ansatz is None else [ansatz(chunk.double()).detach().to(chunk.dtype) for chunk in chunks]
        self._blocks: list[Block] = []
        if network.is_fast:
            self._weights = Weights(network.spec, network.inputs, network.dtype, network.device)
            layouts = [Layout(len(chunk), (), ()) for chunk in chunks]
            workspace = Workspace(network.spec, layouts, self._weights.flat)
            self._blocks = [
                Block(network.spec, layout.inputs(network.embedded, chunk), layout, self._weights, workspace)
                for chunk, layout in zip(chunks, layouts, strict=True)
            ]

    def __call__(self, flat: torch.Tensor) -> np.ndarray:
        """(n,), float64."""
        with torch.no_grad():
            values = self._fast(flat) if self._blocks else self._plain(flat)
            if self._made is not None:
                values = [made[:, 0] + made[:, 1] * found for made, found in zip(self._made, values, strict=True)]
            return torch.cat(values).double().cpu().numpy()

    def _fast(self, flat: torch.Tensor) -> list[torch.Tensor]:
        self._weights.load(flat)
        values = []
        for block in self._blocks:
            block.forward()
            values.append(block.output[0].clone())
        return values

    def _plain(self, flat: torch.Tensor) -> list[torch.Tensor]:
        network = self._network
        return [network.model.forward(network.spec, flat, fed, 1)[:, 0] for fed in self._fed]
