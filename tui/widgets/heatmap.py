"""A field in colours, with its title and its colour bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tui.raster.spec import Field, HeatmapSpec
from tui.widgets.frame_view import FrameView

if TYPE_CHECKING:
    from tui.raster.frame import Frame


class Heatmap(FrameView):
    """Shows a `Field`. Where there is no colour, its values are shades of characters."""

    def __init__(
        self,
        field: Field | None = None,
        *,
        empty: str = "no fields yet",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.field, self.empty = field, empty

    def plot(self, field: Field | None) -> None:
        """Draws this field, or says that there is none."""
        self.field = field
        self.redraw()

    def _spec(self) -> HeatmapSpec:
        width, height = self.size
        few = self.app.console.color_system in ("256", "standard")
        return HeatmapSpec(self.field, width, height, self.empty, plain=self.app.no_color, depth=8 if few else 24)

    @staticmethod
    def _draw(spec: Any) -> Frame:
        from tui.raster.heatmap import render_heatmap

        return render_heatmap(spec)
