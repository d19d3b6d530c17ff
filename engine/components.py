"""Components found by file: the file's name is the key, a constant in it is the component.

A package of components (`experiments.pinns.systems`) is joined by the user's own files in
`<home>/plugins/pinns/systems/`. A file that cannot be loaded is reported as broken and hurts nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec


class Broken(msgspec.Struct, frozen=True):
    """A component file that could not be loaded, and why."""

    key: str
    file: str
    error: str


def plugins_folder(package: str) -> Path | None:
    """Where a user's own components for this package are: `<home>/plugins/pinns/systems`. None without a home."""
    home = os.environ.get("SCIML_TUI_HOME")
    return Path(home, "plugins", *package.split(".")[1:]) if home else None


_found_broken: dict[str, Broken] = {}


def broken_files() -> list[Broken]:
    """Every file that this process discovered and could not load: whoever uses components need not pass them on."""
    return list(_found_broken.values())


def modules(package: str) -> dict[str, str]:
    """The modules of a package by the names of their files, in order; none is imported. Helpers are left out."""
    folders = importlib.import_module(package).__path__
    names = sorted(info.name for info in pkgutil.iter_modules(folders) if not info.name.startswith("_"))
    return {name: f"{package}.{name}" for name in names}


def discover(package: str, constant: str) -> tuple[dict[str, Any], list[Broken]]:
    """Components of a package and of the matching plugins folder by key, in order of key; and the broken files.

    Files whose names begin with an underscore are helpers, not components.
    """
    found: dict[str, Any] = {}
    broken: list[Broken] = []
    for key, module in modules(package).items():
        _load(key, module, None, constant, found, broken)
    folder = plugins_folder(package)
    if folder and folder.is_dir():
        for file in sorted(folder.glob("[!_]*.py")):
            if file.stem in found:
                broken.append(Broken(file.stem, str(file), f"the key {file.stem} is taken: rename the file"))
            else:
                _load(file.stem, f"sciml_tui_plugins.{package}.{file.stem}", file, constant, found, broken)
    _found_broken.update((file.file, file) for file in broken)
    return dict(sorted(found.items())), broken


def _load(key: str, module: str, file: Path | None, constant: str, found: dict[str, Any], broken: list[Broken]) -> None:
    try:
        loaded = _module_of_file(module, file) if file else importlib.import_module(module)
        found[key] = getattr(loaded, constant)
    except AttributeError:
        broken.append(Broken(key, str(file or module), f"required a constant {constant}, got a file without one"))
    except Exception as error:  # noqa: BLE001  a user's file may raise anything: it is shown as broken, never fatal
        last = traceback.extract_tb(error.__traceback__)[-1]
        broken.append(Broken(key, str(file or module), f"{type(error).__name__}: {error} (line {last.lineno})"))


def _module_of_file(name: str, file: Path) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
