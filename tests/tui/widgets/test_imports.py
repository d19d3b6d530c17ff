from __future__ import annotations

import subprocess
import sys


def test_widgets_are_imported_without_numpy_or_torch() -> None:
    """The first paint does not wait for what only a chart needs."""
    code = """
import sys, pkgutil, importlib, tui.widgets
names = ["chart", "heatmap", "run_table", "log_view", "filter_bar", "footer", "help_screen", "status_line", "confirm"]
for name in names:
    importlib.import_module(f"tui.widgets.{name}")
print([name for name in ("numpy", "torch", "scipy", "experiments") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_raster_does_not_import_textual() -> None:
    code = """
import sys
import tui.raster.chart, tui.raster.heatmap, tui.raster.navigate, tui.raster.spark
print([name for name in ("textual", "torch", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
