# Everything a person or a build machine does here. Needs Python 3.11 or later, make, and a package
# registry; what is installed stays in .venv/ and build/.
#
#   make run     the example pipeline, from nothing to its report; then keeps serving (ONCE=1: ends)
#   make test    all tests             make test PYTEST_ARGS='tests/unit -k sigv4'
#   make test-spark  the tests that need Apache Spark, installed for them (455 MB); Java is needed
#   make fuzz    many more hostile requests than `make test` sends, and new ones each time
#   make killed  two servers on PostgreSQL, one killed every 2 s, 2,000 tasks (ROUNDS=5)
#   make chaos   random histories with everything going wrong   make chaos SEEDS=2000 FIRST=300
#   make bench   performance figures   make bench QUICK=1 (under two minutes)
#   make reference   docs/reference/objects, docs/state-machine.md and the JSON Schema, made anew
#   make lint    ruff and mypy         make format    put the code into its usual form
#   make lock    pin the dependencies anew (needs uv)
#   make clean   remove all that these commands made

SHELL := /bin/sh
.DEFAULT_GOAL := help
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
BENCH_ARGS ?=
QUICK ?=
ONCE ?=
FUZZ_REQUESTS ?= 200000
ROUNDS ?= 1
FUZZ_SEED ?= $(shell date +%s)
SEEDS ?= 1000
FIRST ?= 0
CHAOS_ARGS ?=

# The first interpreter that works and is new enough; `make PYTHON=...` to choose.
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$candidate; break; }; done)

EXAMPLE := examples/access-log
EXAMPLE_DIR := build/access-log

.PHONY: help run test test-spark fuzz killed bench reference lint format lock clean

help:
	@sed -n 's/^#   \(make .*\)/\1/p' Makefile

# Two stamps, so that `make run` installs no test tools and a second call installs nothing.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or later found; install one," \
		"or say which: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements/run.txt requirements/build.txt pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

run: $(VENV)/run.stamp
	@ONCE="$(ONCE)" PATH="$(CURDIR)/$(BIN):$$PATH" $(EXAMPLE)/run.sh $(EXAMPLE_DIR)

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 -q $(PYTEST_ARGS)

test-spark: $(VENV)/dev.stamp
	$(BIN)/pip install --quiet 'pyspark>=4'
	$(BIN)/python -m pytest -q tests/unit/runner/test_hive.py $(PYTEST_ARGS)

fuzz: $(VENV)/dev.stamp
	FUZZ_REQUESTS=$(FUZZ_REQUESTS) FUZZ_SEED=$(FUZZ_SEED) \
		$(BIN)/python -m pytest -q tests/conformance/test_fuzz.py

killed: $(VENV)/dev.stamp
	for round in $$(seq $(ROUNDS)); do KILLED_TASKS=2000 KILLED_PAUSE=2 \
		$(BIN)/python -m pytest -q tests/servers/test_killed.py || exit 1; done

chaos: $(VENV)/run.stamp
	$(BIN)/python -m penstock.simulation.chaos --first $(FIRST) --seeds $(SEEDS) $(CHAOS_ARGS)

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(BENCH_ARGS)

reference: $(VENV)/run.stamp
	$(BIN)/python -m docs.reference.generate

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# No index address gets into a lock file: the registry is the business of whoever installs.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
lock:
	$(LOCK) --group build -o requirements/build.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
