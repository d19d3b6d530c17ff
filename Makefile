# The first use of any target makes .venv by itself.
PYTHON ?= python3
# For instance VENV_FLAGS=--system-site-packages, to use a torch that the machine already has.
VENV_FLAGS ?=
# For instance an option that points pip at torch's CPU-only builds.
PIP_FLAGS ?=
CONSTRAINTS ?= constraints.txt
PIP = .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off -q $(PIP_FLAGS) -c $(CONSTRAINTS)

.PHONY: demo test check lint bench clean

demo: .venv/.run
	.venv/bin/sciml-tui demo

test: .venv/.dev
	.venv/bin/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

check: lint test

bench: .venv/.bench
	.venv/bin/python -m benchmarks

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "required Python 3.11 to 3.13, got %d.%d: name another with  make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV_FLAGS) .venv

.venv/.run: pyproject.toml $(CONSTRAINTS) | .venv/bin/python
	@echo "installing into .venv: a few minutes the first time (torch is large)"
	$(PIP) -e .
	@touch $@

.venv/.dev: pyproject.toml $(CONSTRAINTS) | .venv/bin/python
	@echo "installing into .venv: a few minutes the first time (torch is large)"
	$(PIP) -e '.[dev,slurm,parquet,figures]'
	@touch $@ .venv/.run

.venv/.bench: .venv/.dev
	$(PIP) -e '.[bench]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
