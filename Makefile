# Each target sets up what it needs. The only requirements: Python 3.11 or newer, make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BROWSER := $(VENV)/.browser
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
# It draws the scenarios of faults, kills and strangers that `make test` runs. Those of a cluster have a target of their own.
SEED ?= $(shell date +%s)
SCENARIOS = tests/crash_table tests/hostile tests/test_*.py tests/unzip

# Where it is set, each of thousands of processes would compile jobrunner again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run test check coverage crash crash-cluster format bench fuzz soak build clean

help:  ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install -qq --editable . --group dev
	@touch $@

setup: $(READY)  ## make the virtual environment in .venv

run: $(READY)  ## show the main job: sample packages, a handler, three workers
	@$(BIN)/jobrunner demo

# The dashboard is tested in a real browser: as root on Debian and its like, one try to get it where there is none.
$(BROWSER): $(READY)
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	timeout 300 sh -c 'apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	chromium fonts-dejavu-core'; } >/dev/null 2>&1 || true
	@touch $@

# Four at a time on two cores: the tests wait a lot.
test: $(READY) $(BROWSER)  ## run the tests; of those of faults and strangers, a fifth that SEED draws (about 6 minutes on two cores)
	$(BIN)/python -m pytest -n 4 --dist worksteal --draw $(SEED)

check: $(READY)  ## format, lint, types and tests, as a change must pass them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

# Other users write there, too: hostile tests are run as several.
coverage: $(READY) $(BROWSER)  ## which lines and branches of jobrunner/ the tests reach, in all processes (about 10 minutes on two cores)
	@export COVERAGE_FILE="$$(mktemp -d)/data" && chmod 1777 "$${COVERAGE_FILE%/*}" && \
	trap 'rm -rf "$${COVERAGE_FILE%/*}"' EXIT && \
	$(BIN)/coverage run -m pytest -n 3 -m 'not campaign and not unmeasured' && \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report

format: $(READY)  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What we compare with is kept apart: peewee, for one, would import a psycopg that it finds.
$(BENCH_READY): pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -qq --upgrade 'pip>=25.1'
	$(BENCH_VENV)/bin/python -m pip install -qq --group bench
	@touch $@

bench: $(READY) $(BENCH_READY)  ## everything that is measured, beside what it replaces, into bench/results/ (about an hour)
	$(BIN)/python bench/all.py

fuzz: $(READY)  ## two minutes of broken zips for the extraction engine
	$(BIN)/python -m tests.zip_fuzz --seconds 120 --seed 1

soak: $(READY)  ## half an hour with failures, a full disk, pauses and reloads: does anything grow that should not?
	$(BIN)/python -m tests.campaign.soak --seconds 1800

crash: $(READY)  ## kill at every step, at random, and the power: was anything lost or done twice? (about 50 minutes)
	$(BIN)/python -m tests.campaign.kill_points --sample 3500 --new
	$(BIN)/python -m tests.campaign.torture
	$(BIN)/python -m tests.campaign.power_loss --every 5
	$(BIN)/python -m pytest -n 4 --dist worksteal -m 'campaign or not campaign' $(SCENARIOS)

# They wait most of the time. The links that are cut need root.
crash-cluster: $(READY)  ## nodes of a cluster killed, cut off and frozen: is each package done, never twice at once? (about 4 minutes)
	$(BIN)/python -m pytest -n 5 -m 'campaign or not campaign' tests/cluster

pictures: $(READY) $(BROWSER)  ## the dashboard's pictures in docs/, of the home of `jobrunner demo`
	$(BIN)/python -m tests.web.browser.pictures

build: $(READY)  ## build the wheel and the source distribution into dist/
	$(BIN)/python -m build

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(BENCH_VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
