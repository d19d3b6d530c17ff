"""Modules that are imported when they are first used."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class LazyModule:
    """Stands for a module; imports it at the first use of one of its names."""

    def __init__(self, name: str) -> None:
        self.__dict__["__name__"] = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self.__dict__["__name__"]), attribute)
        self.__dict__[attribute] = value
        return value


def lazy_import(name: str) -> ModuleType:
    """`torch = lazy_import("torch")`: the name is there at once, the two seconds are paid at the first use.

    So that type checkers see the module, write

        if TYPE_CHECKING:
            import torch
        else:
            torch = lazy_import("torch")
    """
    return LazyModule(name)  # type: ignore[return-value]
