"""A device that is not there: what it holds is in the CPU's memory, but the rules are those of a GPU.

Within a `Device` torch's "meta" stands for a GPU: its tensors have values, which CPU kernels compute. As on a
GPU, no operation takes tensors of both sides, and nothing becomes an array without being brought back. `Graph` stands
for a CUDA graph: what a function launches is recorded, launched again on the same memory, and may wait for nothing
meanwhile. So tests without a GPU see what mixes devices, and what a graph would not repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = "meta"
_THERE, _HERE = torch.device(DEVICE), torch.device("cpu")
_aten = torch.ops.aten
_MAY_CROSS = (_aten.copy_.default, _aten._to_copy.default)
_INDEXED = (_aten.index.Tensor, _aten.index_put_.default, _aten._index_put_impl_.default, _aten.index_put.default)
_WITH_NUMBERS = {"add", "sub", "mul", "div", "add_", "sub_", "mul_", "div_", "where", "rsub"}
"""Operations that on a GPU take a number in the CPU's memory besides."""


class Far(torch.Tensor):
    """A tensor of the device. near: the same memory as the CPU sees it."""

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> Far:
        made = torch.Tensor._make_wrapper_subclass(
            cls, near.shape, near.stride(), near.storage_offset(), dtype=near.dtype, device=_THERE
        )
        made.near = near
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _launched(func, args, kwargs or {}, None)

    def __repr__(self) -> str:
        return f"Far({self.near!r})"


class Graph:
    """Kernels as they were launched, on which memory."""

    def __init__(self) -> None:
        self.kernels: list[tuple[Any, Any, Any, Any]] = []

    def replay(self) -> None:
        for func, args, kwargs, before in self.kernels:
            found = func(*args, **kwargs)
            for declared, old, new in zip(func._schema.returns, _listed(before), _listed(found), strict=True):
                if declared.alias_info is None:
                    for one, other in zip(_tensors([old]), _tensors([new]), strict=True):
                        one.copy_(other)


class Device(TorchDispatchMode):
    """As a context: name is the device within."""

    name = DEVICE

    def __init__(self) -> None:
        super().__init__()
        self._calls = _Calls()
        self.graph: Graph | None = None
        """That which is being captured."""
        self.waits = self.captured = 0
        """How often the host waited for the device, and how many graphs there were."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _launched(func, args, kwargs or {}, self)

    def __enter__(self) -> Device:
        self._calls.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._calls.__exit__(*raised)

    def capture(
        self, function: Callable[..., tuple[torch.Tensor, ...]], given: tuple[torch.Tensor, ...]
    ) -> tuple[Graph, tuple[torch.Tensor, ...]]:
        """In the place of `graphs._capture`."""
        with torch.no_grad():
            function(*given)
            self.graph = graph = Graph()
            try:
                found = function(*given)
            finally:
                self.graph = None
        self.captured += 1
        return graph, found


class _Calls(TorchFunctionMode):
    """What torch decides before it comes to an operation."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and torch.device(kwargs.get("device") or "cpu") == _THERE:
            return func(*args, **{**kwargs, "device": _HERE}).to(_THERE)
        if func is torch.Tensor.new_tensor and args[0].device == _THERE:
            return torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype)).to(_THERE)
        if func is torch.Tensor.tolist and args[0].device == _THERE:
            return args[0].cpu().tolist()
        return func(*args, **kwargs)


def _launched(func: Any, args: Any, kwargs: Any, device: Device | None) -> Any:
    tensors = _tensors([*args, *kwargs.values()])
    far = [tensor for tensor in tensors if isinstance(tensor, Far)]
    asked = kwargs.get("device")
    is_there = bool(far) if asked is None else torch.device(asked) == _THERE
    crosses = func in _MAY_CROSS and len({isinstance(t, Far) for t in tensors} | {is_there}) > 1
    if not (far or is_there):
        if device and device.graph is not None and func is not _aten.detach.default:
            raise RuntimeError(f"{func} on the CPU while a graph is captured: it would not be repeated")
        return func(*args, **kwargs)
    _require_one_side(func, args, kwargs, tensors)
    if device and (crosses or func is _aten._local_scalar_dense.default):
        device.waits += 1
        if device.graph is not None:
            raise RuntimeError(f"{func} while a graph is captured: it waits for the device, or for the CPU's memory")
    near_args, near_kwargs = _mapped(_near, args), {name: _mapped(_near, value) for name, value in kwargs.items()}
    if asked is not None:
        near_kwargs["device"] = _HERE
    found = func(*near_args, **near_kwargs)
    if crosses and found is not None and func is _aten._to_copy.default and any(found is _near(t) for t in tensors):
        found = found.clone()
    if device and device.graph is not None:
        device.graph.kernels.append((func, near_args, near_kwargs, found))
    if not is_there and func is not _aten.copy_.default:
        return found
    return _returned(func, args, kwargs, found)


def _returned(func: Any, args: Any, kwargs: Any, found: Any) -> Any:
    """Results as the caller sees them: what was written to is what was given."""
    written = {}
    for place, name in _written(func):
        for tensor in _tensors([kwargs[name] if name in kwargs else args[place]]):
            written[id(_near(tensor))] = tensor

    def outer(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return written[id(value)] if id(value) in written else Far(value)

    return _mapped(outer, found)


@cache
def _written(func: Any) -> list[tuple[int, str]]:
    """The arguments that an operation writes to."""
    arguments = enumerate(func._schema.arguments)
    return [(place, it.name) for place, it in arguments if it.alias_info is not None and it.alias_info.is_write]


def _require_one_side(func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor]) -> None:
    if func in _MAY_CROSS:
        return
    own = _tensors([args[0], *args[2:]]) if func in _INDEXED else tensors
    here = [tensor for tensor in own if not isinstance(tensor, Far)]
    numbers = func._schema.name.removeprefix("aten::") in _WITH_NUMBERS
    if here and not (numbers and all(tensor.dim() == 0 for tensor in here) and isinstance(tensors[0], Far)):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in here)
        raise RuntimeError(f"{func}: required all tensors on one device, got some of the CPU: {shapes}")
    if func is _aten._fused_adamw_.default:  # its kernel for GPUs asks for more than that for CPUs
        for together in zip(*args[:4], strict=True):
            if len({(t.dtype, t.shape, t.stride()) for t in together}) > 1:
                raise RuntimeError(f"{func}: required tensors of the same type, shape and strides")


def _tensors(values: Any) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)([_mapped(function, item) for item in value])
    return function(value)


def _near(value: Any) -> Any:
    return value.near if isinstance(value, Far) else value


def _listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, tuple) else [found]
