# Everything runs in a private virtual environment, made when it is first needed.
#
#   make run     the hub with two simulated toys
#   make test    the whole test suite
#   make check   what must be clean: style, types, tests of the import rules
#   make faults  everything that can break, broken while outputs are on: a table of times
#   make hostile peers that mean harm, against a hub, with figures
#   make model   long random walks of a relay's machine beside a toy, STEPS=1000000
#   make fuzz    hostile input for SECONDS=60, all targets in turn
#   make soak    16 clients and 8 devices for 10 minutes of virtual time
#   make ble-vm  the relay on a genuine Bluetooth stack, in a virtual machine of its own
#   make bench   speed and memory, beside a floor measured in the same run

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TOYS ?= Lovense Hush,Lovense Edge
SECONDS ?= 60
STEPS ?= 1000000

.PHONY: run test check lint bench faults hostile fuzz soak ble-vm clean

run: $(BIN)/.ready
	$(BIN)/forwarder run --simulate "$(TOYS)"

test: $(BIN)/.ready
	$(BIN)/python -m pytest

check: lint
	$(BIN)/python -m pytest tests/test_architecture.py

lint: $(BIN)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(BIN)/.ready
	$(BIN)/python -m tests.benchmarks --seconds 10

faults: $(BIN)/.ready
	$(BIN)/python -m tests.faults

hostile: $(BIN)/.ready
	$(BIN)/python -m tests.hostile

model: $(BIN)/.ready
	GATE_STEPS=$(STEPS) $(BIN)/python -m pytest tests/faults/test_machine_model.py -q -s

fuzz: $(BIN)/.ready
	$(BIN)/python -m tests.fuzz $(SECONDS)

soak: $(BIN)/.ready
	$(BIN)/python -m tests.soak

ble-vm: $(BIN)/.ready
	$(BIN)/python -m tests.ble_vm

clean:
	rm -rf $(VENV) build dist *.egg-info

# One stamp for interpreter and packages: whatever changes pyproject.toml brings them up to date.
$(BIN)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This needs Python 3.11 or newer: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@
