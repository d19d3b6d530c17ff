"""Curves and fields as cells: arrays in, grids of characters and styles out. Pure NumPy, no screen.

`spec` says what to draw (it imports no NumPy, so that screens can be imported before NumPy is needed), `chart` and
`heatmap` draw it. Both are pure functions: run them on a thread, hand the `Frame` to a widget.
"""
