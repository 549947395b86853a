# make demo   reconstruct the bundled study and print its errors against the truth
# make test   lint and tests
# Both set up .venv first; it is brought up to date again only when pyproject.toml changes.

PYTHON ?= python3
DEMO_OUTPUT ?= demo-output
PYTEST_ARGS ?=
# Each test process needs up to 2 GB, so many cores are not all used. The files keep their order: the views of the
# tests of mrml/ and ui/ share one Slicer application per process.
TEST_JOBS ?= auto --maxprocesses 4

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint format cmake-lists clean
.DELETE_ON_ERROR:

help:
	@echo "make demo     reconstruct the bundled study, print the result, write it to $(DEMO_OUTPUT)/"
	@echo "make test     lint and tests"
	@echo "make lint     ruff check and format check"
	@echo "make format   sort imports and format the code"
	@echo "make cmake-lists  list every script and resource in LumbarBiplanar/CMakeLists.txt"
	@echo "make clean    remove what the other targets have made, the environment included"
	@echo "TEST_JOBS=... the number of processes that run the tests, now $(TEST_JOBS)"
	@echo "PYTHON=...    the Python to build the environment with (3.10 to 3.13), now $(PYTHON)"

demo: $(STAMP)
	$(BIN)/python -m LumbarBiplanarLib.cli demo --output $(DEMO_OUTPUT)

test: $(STAMP) lint
	$(BIN)/python -m pytest --numprocesses $(TEST_JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

cmake-lists: $(STAMP)
	$(BIN)/python Testing/core/cmake_lists.py

$(STAMP): pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "$(PYTHON) was not found. Install Python 3.10 to 3.13, or say which one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.10 to 3.13 is needed; $(PYTHON) is $$("$(PYTHON)" -V 2>&1). Say which one to use: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || \
	  { echo "$(PYTHON) could not make .venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache $(DEMO_OUTPUT)
	find LumbarBiplanar Testing -name __pycache__ -type d -prune -exec rm -rf {} +
