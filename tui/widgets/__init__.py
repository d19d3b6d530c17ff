"""The widgets of which the screens are made, one a file. None of them knows the engine's store or the science.

Importing them does not import NumPy: a chart needs it only when there is something to draw, and then on a thread.
"""
