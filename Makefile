# Everything runs in .venv, which this file makes. Needed: Python 3.11 with pip, and a package registry.
#
#   make demo    the packaged example, end to end; leaves out/demo/report.html
#   make test    every test, on two workers
#   make check   style, types, layers
#   make bench   side by side with what else could be used
#   make docs    the documentation, in site/
#   make clean   removes all that was made, .venv included

PYTHON ?= python3.11
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
INSTALL := $(UV) pip install --python $(BIN)/python --compile-bytecode \
	--constraints constraints.txt --build-constraints constraints.txt
INPUTS := pyproject.toml constraints.txt

.PHONY: demo test check bench docs format clean
.DELETE_ON_ERROR:

demo: .venv/.core
	$(BIN)/gridcommons demo --out out/demo

test: .venv/.dev
	$(BIN)/pytest -n 2 --dist loadfile

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev
	$(BIN)/gridcommons benchmark all --out benchmarks/results/$$(date -u +%Y-%m-%d).json

docs: .venv/.dev
	$(BIN)/mkdocs build --strict

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .uv out site build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The demonstration needs the core alone; tests and checks need the rest, too. A stamp is renewed only
# when what it was made from has changed.
.venv/.core: .venv/.made $(INPUTS)
	$(INSTALL) --editable .
	@touch $@

.venv/.dev: .venv/.made $(INPUTS)
	$(INSTALL) --editable '.[central,convex,dev,genetic,simbench]'
	@touch .venv/.core $@

.venv/.made: | .uv/.made-$(UV_VERSION)
	$(UV) venv --python $(PYTHON) --clear .venv
	@touch $@

# uv is installed into a folder: that needs neither the venv module nor the right to change the system.
.uv/.made-$(UV_VERSION):
	$(PYTHON) -m pip install --quiet --upgrade --target .uv uv==$(UV_VERSION)
	@touch $@
