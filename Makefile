# One virtual environment, made once and reused by every target.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CLANG_FORMAT_FILES := $(shell find kernels host tests -name '*.cl' -o -name '*.c' -o -name '*.h')

.PHONY: demo test lint bench wheel clean

# The C library is rebuilt when a source of it changes.
READY := $(VENV)/.ready
$(READY): pyproject.toml setup.py $(wildcard host/*.c host/*.h host/*.py kernels/common/*.h)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "cannot make a virtual environment: install python3-venv (Debian) or set PYTHON="; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[pocl,dev]'
	@touch $(READY)

demo: $(READY)
	$(BIN)/fpga-accel demo

test: $(READY)
	$(BIN)/python -X dev -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CLANG_FORMAT_FILES)

bench: $(READY)
	$(BIN)/python -m benchmarks

wheel: $(READY)
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist *.egg-info fpga_accel/*.so
