# Two environments, as in production: .venv has Prefork (and its tests' tools), each application has its own.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PAGES  := src/prefork/console/static/vendor/htmx.js

.DEFAULT_GOAL := help
.PHONY: help setup run example wheel compiled native test test-compiled test-odoo test-machine test-autobahn test-package test-lab test-lab-odoo check format docs screenshots clean soak
.PHONY: bench bench-full bench-limits bench-jobs bench-asgi bench-live bench-odoo bench-advice bench-growth

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready $(PAGES) ## make .venv with prefork in it

$(VENV)/.ready: pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh $(PYTHON) $(VENV) constraints.txt -e '.[dev]'

$(PAGES): web/package-lock.json tools/web.sh
	@sh tools/web.sh

run: setup examples/shop/.venv/.ready ## serve the example shop on 127.0.0.1:8069 with two workers
	@cat examples/shop/try.txt
	@exec $(BIN)/prefork serve -c examples/shop/prefork.conf

# For NAME=odoo PYTHON is Odoo's interpreter, not the one to make .venv with.
example: ## serve another of the examples: make example NAME=django|fastapi|flask|odoo|pyramid|tryton
	@$(MAKE) --no-print-directory $(if $(filter odoo,$(NAME)),PYTHON=python3) setup
	@exec sh tools/example.sh '$(PYTHON)' '$(NAME)' '$(ODOO)'

examples/shop/.venv/.ready: examples/shop/requirements.txt tools/setup.sh
	@sh tools/setup.sh $(PYTHON) examples/shop/.venv examples/shop/requirements.txt -r examples/shop/requirements.txt

# What tests run beside the shop, each in an environment of its own.
APPLICATIONS := frameworks tryton wagtail
.venv-%/.ready: tests/applications/%.txt tools/setup.sh
	@sh tools/setup.sh $(PYTHON) .venv-$* $< -r $<

native: setup
	@$(BIN)/python tests/native.py

# What pytest makes of the asserts in new tests: else each process of the run makes all of it, before the first test.
.pytest_cache/rewritten: $(shell find tests -name '*.py' 2>/dev/null) | setup
	-@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --collect-only -qq >/dev/null
	@touch $@

# A test starts several processes of ours, each of which would compile everything where PYTHONDONTWRITEBYTECODE is set.
test: setup examples/shop/.venv/.ready $(APPLICATIONS:%=.venv-%/.ready) native .pytest_cache/rewritten ## run the tests (the first time their applications are installed)
	@$(BIN)/python -m compileall -q src
	PYTHONPATH=$(CURDIR)/src examples/shop/.venv/bin/python -W error -m unittest discover -q -s examples/shop/tests
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

compiled: setup ## compile the dispatcher in this checkout (a C compiler, minutes); without it again: rm -r src/prefork/_compiled
	$(BIN)/python hatch_build.py src/prefork/_compiled

# Stand-ins for natively compiled classes are refused, and their methods cannot be exchanged: what needs that is tested from source.
STAND_INS := attendance.py differential.py errands.py lender.py loans.py loop_loans.py relief.py routes.py scarcity.py strictness.py
test-compiled: compiled ## run the tests of the dispatcher and of a real server in compiled form
	$(BIN)/python -m pytest -p tests.compiled tests/unit/http tests/unit/dispatcher $(addprefix --ignore tests/unit/dispatcher/test_,$(STAND_INS))
	$(BIN)/prefork check probe:app --app-dir tests/stories/apps --explain | grep -q 'dispatcher runs compiled'
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/process tests/stories tests/proxies

# PYTHON is Odoo's interpreter here, not the one to make .venv with.
test-odoo: ## test against an installed Odoo: make test-odoo ODOO=/its/tree PYTHON=/its/interpreter
	@$(MAKE) --no-print-directory PYTHON=python3 setup
	$(BIN)/pytest tests/odoo --odoo='$(ODOO)' --odoo-python='$(PYTHON)'

test-machine: setup ## test what needs a systemd of its own in a machine of QEMU's, which it makes (root, a quarter of an hour)
	$(BIN)/python tests/machine/run.py

wheel: setup ## build the wheel and the source distribution into dist/
	$(BIN)/python -m hatchling build -d dist

test-package: wheel ## try the wheel on each Python that is there, in environments of its own, and workers on older ones (five minutes)
	$(BIN)/python tests/package/run.py

test-autobahn: setup ## run Autobahn|Testsuite against WebSockets of an ASGI application (Python 3.11 or 3.12, two minutes)
	$(BIN)/python tests/autobahn/run.py

test-lab: setup ## run the enterprise topology in the lab and hit it under load (root, an hour); writes into docs/lab.md
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/lab/run.py $(SCENARIOS)

# PYTHON is Odoo's interpreter, as for test-odoo.
test-lab-odoo: ## run an installed Odoo in the lab and hit it: make test-lab-odoo ODOO=/its/tree PYTHON=/its/interpreter (root, ten minutes)
	@$(MAKE) --no-print-directory PYTHON=python3 setup
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/lab/run.py --odoo='$(ODOO)' --odoo-python='$(PYTHON)'

check: setup ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup ## put the code into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## build the documentation's site into site/; a broken link fails
	$(BIN)/zensical build --clean --strict

bench: setup ## measure against the other servers (a quarter of an hour); says where a goal is missed
	$(PYTHON) bench/run.py

bench-full: setup ## the same in seven rounds (75 minutes); writes docs/benchmarks.md, fails where a goal is missed by more than a tenth
	$(PYTHON) bench/run.py --full

bench-limits: setup ## run the same abuses against the other servers' limits; writes docs/limits.md
	$(PYTHON) bench/run.py limits

bench-jobs: setup ## measure scheduled jobs against other queues, and beside requests; writes docs/jobs-benchmarks.md
	$(PYTHON) bench/run.py jobs-benchmarks

bench-asgi: setup ## measure ASGI beside other servers; writes docs/asgi-benchmarks.md
	$(PYTHON) bench/run.py asgi-benchmarks

bench-live: setup ## measure WebSockets and the bus beside other servers; writes docs/websocket-benchmarks.md
	$(PYTHON) bench/run.py websocket-benchmarks

bench-growth: setup ## measure 1 to 64 workers and 10 to 15,000 connections; writes docs/growth.md
	$(PYTHON) bench/run.py growth

bench-odoo: ## measure against Odoo's own server, with ODOO and PYTHON as for test-odoo; writes docs/odoo-benchmarks.md
	@$(MAKE) --no-print-directory PYTHON=python3 setup
	$(BIN)/python bench/run_odoo.py --odoo='$(ODOO)' --python='$(PYTHON)'

bench-advice: setup ## predictions against what is measured, workers = auto beside others; writes into docs/advice.md
	$(PYTHON) bench/run_advice.py

soak: setup examples/shop/.venv/.ready ## every lifecycle story 20 times, chaos, fuzzing (two to three hours); writes docs/soak.md
	$(BIN)/python tests/soak.py

screenshots: setup ## look at every page of the console, wide and narrow, light and dark; writes docs/screenshots
	$(BIN)/python tests/browser/screenshots.py

clean: ## remove every environment and cache
	rm -rf $(dir $(PAGES)) web/node_modules site .cache .venv .venv-* examples/*/.venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
