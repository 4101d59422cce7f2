# Everything runs in a private virtual environment, made when it is first needed.
#
#   make run     the hub with two simulated toys
#   make test    the whole test suite: what needs no clock on all processors, then the rest
#   make check   what must be clean: style, types, tests of the import rules
#   make faults  everything that can break, broken while outputs are on: a table of times
#   make hostile peers that mean harm, against a hub, with figures
#   make away    direct paths between two homes, by an iroh relay too, broken everywhere
#   make model   long random walks of a relay's machine beside a toy, STEPS=1000000
#   make radios  24 virtual hours of four relays of three radios: toys lost, radios dying
#   make seeds   the suites of the safety core under 20 seeds: order of sets, examples, walks
#   make mutants small wrong changes of what safety stands on, and whether tests notice
#   make fuzz    hostile input for SECONDS=60, all targets in turn
#   make soak    16 clients and 8 devices for 10 minutes of virtual time
#   make soak-day  the same for 24 virtual hours, with the trend of memory
#   make ble-vm  the relay on a genuine Bluetooth stack, in a virtual machine of its own
#   make look    every state of the dashboard as pictures, with axe, at all widths and colours
#   make bench   speed and memory, beside a floor measured in the same run, and the last release
#   make bench-peer ENGINE=path  the same beside an intiface-engine
#   make bench-scale  a house that grows to 1,000 relays, 5,000 devices and 200 clients
#   make workarounds whether the quirks that we work round are still there
#   make first   what each way costs to begin: installs anew, carries out the pages, makes the table
#   make pythons the unit suites on every Python >= 3.11 that is found

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TOYS ?= Lovense Hush,Lovense Edge
SECONDS ?= 60
STEPS ?= 1000000
SEEDS ?= 20

.PHONY: run test check lint bench bench-peer bench-scale soak-day look away faults hostile radios seeds mutants fuzz soak ble-vm workarounds first pythons clean

run: $(BIN)/.installed
	$(BIN)/forwarder run --simulate "$(TOYS)"

test: $(BIN)/.ready
	$(BIN)/python -m tests

check: lint
	$(BIN)/python -m pytest tests/test_architecture.py

lint: $(BIN)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(BIN)/.ready
	$(BIN)/python -m tests.benchmarks --seconds 10 --json build/bench/bench.json

bench-peer: $(BIN)/.ready
	$(BIN)/python -m tests.benchmarks.peer $(if $(ENGINE),--engine "$(ENGINE)") --json build/bench/peer.json

bench-scale: $(BIN)/.ready
	$(BIN)/python -m tests.benchmarks.scale --json build/bench/scale.json

faults: $(BIN)/.ready
	$(BIN)/python -m tests.faults

look: $(BIN)/.ready
	mkdir -p build/look
	cd build && test -e axe.min.js || { npm pack --silent axe-core@4 && tar xzf axe-core-*.tgz && mv package/axe.min.js . && rm -r package axe-core-*.tgz; }
	export AXE_CORE=$(CURDIR)/build/axe.min.js FORWARDER_SCREENSHOTS=$(CURDIR)/build/look; \
	$(BIN)/python -m pytest -q \
	  tests/web/test_dashboard_look.py tests/web/test_dashboard_comparing.py tests/web/test_dashboard_playing.py \
	  tests/web/test_reference.py tests/web/test_look.py tests/web/test_remote_look.py \
	  tests/web/test_dashboard_shares.py tests/web/test_languages.py && \
	$(BIN)/python -m tests.web.look_more en && $(BIN)/python -m tests.web.look_more de
	$(BIN)/python -m tests.web.measure_dashboard

hostile: $(BIN)/.ready
	$(BIN)/python -m tests.hostile.stranger
	$(BIN)/python -m tests.hostile
	$(BIN)/python -m tests.hostile.visitors

away: $(BIN)/.ready
	$(BIN)/python -m tests.away

model: $(BIN)/.ready
	GATE_STEPS=$(STEPS) $(BIN)/python -m pytest tests/faults/test_machine_model.py -q -s

# What a stop stands on, all in virtual time. The first failure ends it, with its seed.
CORE := tests/relay/peripheral tests/relay/debts tests/relay/hub_link \
	tests/forwarder/hub tests/forwarder/clients tests/forwarder/sources tests/forwarder/stop tests/forwarder/test_hub_walk.py \
	tests/faults/test_machine_model.py tests/faults/test_hold.py tests/faults/test_handshakes.py tests/soak
seeds: $(BIN)/.ready
	@for seed in $$(seq 1 $(SEEDS)); do echo "=== seed $$seed"; \
	  PYTHONHASHSEED=$$seed $(BIN)/python -m pytest -q --hypothesis-seed=$$seed $(CORE) || exit 1; \
	done

radios: $(BIN)/.ready
	$(BIN)/python -m tests.radios

mutants: $(BIN)/.ready
	$(BIN)/python -m tests.mutants

fuzz: $(BIN)/.ready
	$(BIN)/python -m tests.fuzz $(SECONDS)

soak: $(BIN)/.ready
	$(BIN)/python -m tests.soak

soak-day: $(BIN)/.ready
	$(BIN)/python -m tests.soak 86400

ble-vm: $(BIN)/.ready
	$(BIN)/python -m tests.ble_vm

workarounds: $(BIN)/.ready
	$(BIN)/python -m pytest -q tests/workarounds

first: $(BIN)/.ready
	$(BIN)/python -m tests.pages --write

# Each in an environment of its own below build/; what a version has no wheel for is left out by name.
pythons:
	@for python in $(wildcard $(HOME)/.pyenv/versions/*/bin/python3) $$(command -v python3.11 python3.12 python3.13 python3.14); do \
	  version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || continue; \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue; \
	  test -e build/python-$$version/tried && continue; \
	  echo "=== Python $$version ($$python)"; \
	  "$$python" -m venv build/python-$$version && \
	  build/python-$$version/bin/python -m pip install --quiet --editable '.[test]' && \
	  build/python-$$version/bin/python -m pytest -q tests/forwarder tests/relay tests/tools || exit 1; \
	  touch build/python-$$version/tried; \
	done; rm -f build/python-*/tried

clean:
	rm -rf $(VENV) build dist *.egg-info

# A stamp for what the programs need, and one for what the tests need beside it: whatever changes
# pyproject.toml brings them up to date.
$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This needs Python 3.11 or newer: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(BIN)/.ready: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@
