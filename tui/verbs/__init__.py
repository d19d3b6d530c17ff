"""The verbs of the command line, one group a file: thin, on `engine.client`. `tui.cli` lists them."""
