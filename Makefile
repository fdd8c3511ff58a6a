# One virtual environment, made once and reused by every target.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CLANG_FORMAT_FILES := $(shell find kernels host tests -name '*.cl' -o -name '*.c' -o -name '*.cpp' -o -name '*.h')
# What the editable install compiles; a change of any of it compiles again.
BUILT_FROM := pyproject.toml setup.py $(shell find host kernels -name '*.c' -o -name '*.h' -o -name '*.py')

.PHONY: demo test images test-fpga test-rtl bitstreams soak lint bench wheel clean

READY := $(VENV)/.ready
$(READY): $(BUILT_FROM)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is missing or older than Python 3.11: set PYTHON=" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || \
	  { echo "cannot make a virtual environment: install python3-venv (Debian) or set PYTHON=" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[pocl,dev]'
	@touch $@

demo: $(READY)
	$(BIN)/fpga-accel demo

# Development mode, and a file or socket that is left open is an error. Nearly all of the time is the compiler's, which
# takes one core a kernel, so tests run in a process a core, those of a file in one. A process needs up to 4 GB.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n : 8)))
STRICT := -X dev -W error::ResourceWarning
PYTEST = $(BIN)/python $(STRICT) -m pytest --dist loadfile --tx '$(WORKERS)*popen//python=$(BIN)/python $(STRICT)'

test: $(READY)
	$(PYTEST) $(PYTEST_ARGS)

# The FPGA emulator, 0.9 GB, goes into the same environment: the package is there, so that pip adds what the extra names
# and compiles nothing. The suite runs there from images that are built first.
FPGA_READY := $(VENV)/.fpga-ready
FPGA_CACHE := $(VENV)/fpga-cache
FPGA_KERNELS := $(filter-out trial chain,$(patsubst kernels/%/kernel.toml,%,$(wildcard kernels/*/kernel.toml)))
$(FPGA_READY): $(READY)
	$(BIN)/python -m pip install --quiet 'fpga-accel[fpga-emulator]'
	@touch $@

IMAGES_FROM := $(shell find kernels -name '*.cl' -o -name '*.h' -o -name '*.toml') \
  $(wildcard fpga_accel/runtime/bitstreams/*.py)
IMAGES_READY := $(VENV)/.images-ready
$(IMAGES_READY): export FPGA_ACCEL_CACHE_DIR = $(FPGA_CACHE)
$(IMAGES_READY): $(FPGA_READY) $(IMAGES_FROM)
	rm -rf $(FPGA_CACHE)
	printf '%s\n' $(FPGA_KERNELS) | xargs -P $(WORKERS) -n 1 $(BIN)/fpga-accel bitstream build --target emulator
	$(BIN)/fpga-accel bitstream verify
	@touch $@

images: $(IMAGES_READY)

# All that runs once a backend, on the emulator alone, and what is about FPGAs. Development mode, which takes a tenth of
# the time, had its turn in `test`.
test-fpga test-rtl: STRICT := -W error::ResourceWarning
test-fpga: export FPGA_ACCEL_CACHE_DIR = $(FPGA_CACHE)
test-fpga: export FPGA_ACCEL_TEST_DEVICES = fpga-emulator,no-cpu-path
test-fpga: export FPGA_ACCEL_REQUIRE := $(FPGA_ACCEL_REQUIRE),fpga-emulator,images
test-fpga: $(IMAGES_READY)
	$(PYTEST) -m 'backend or fpga'

# The simulator of RTL cores goes into the same environment; it needs a C++ compiler. What it has no core for is skipped.
RTL_READY := $(VENV)/.rtl-ready
RTL_TESTS := hashes checksums aes sm4 lz4 chains
$(RTL_READY): $(READY)
	$(BIN)/python -m pip install --quiet 'fpga-accel[rtl,formal,bitstream]'
	@touch $@

test-rtl: export FPGA_ACCEL_TEST_DEVICES = rtl
test-rtl: export FPGA_ACCEL_REQUIRE := $(FPGA_ACCEL_REQUIRE),rtl,synthesis
test-rtl: $(RTL_READY)
	$(PYTEST) -k rtl $(wildcard tests/test_rtl*.py) $(RTL_TESTS:%=tests/test_%.py) $(PYTEST_ARGS)

# Every core placed and routed, its figures written, and the page that is made of them: two hours, mostly of one core.
CORES := $(patsubst kernels/%/rtl.py,%,$(wildcard kernels/*/rtl.py))
bitstreams: $(RTL_READY)
	for kernel in $(CORES); do \
	  $(BIN)/fpga-accel bitstream build $$kernel --target ecp5-85k --variant all --update-figures || exit 1; \
	done
	$(BIN)/fpga-accel bitstream verify
	$(BIN)/fpga-accel bitstream report --write docs

# Mixed work on all threads with random faults, for SOAK_SECONDS.
soak: export SOAK_SECONDS ?= 120
soak: $(READY)
	$(BIN)/python $(STRICT) -m pytest -s -m soak tests/test_soak.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CLANG_FORMAT_FILES)

bench: $(READY)
	$(BIN)/fpga-accel bench $(BENCH)

wheel: $(READY)
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist *.egg-info fpga_accel/*.so
