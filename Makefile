# The verbs are the same here and in CI. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VENDORED := dashboard/static/vendor/.installed
# PostgreSQL, Valkey and TensorFlow children start once per process, so more processes than this only cost memory.
TEST_PROCESSES ?= 2

.DEFAULT_GOAL := help
.PHONY: setup demo test browser screenshots soak check format docs migrate bench faults chaos applications architectures gallery hostile fuzz help

setup: $(INSTALLED) $(VENDORED) ## make .venv and install everything, pinned (the second time: nothing to do)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("keras2torch needs Python 3.11 or newer; this is " + sys.version.split()[0] \
	    + " (make setup PYTHON=python3.12 picks another)" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || { echo "setup: making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "setup: installing PyTorch, TensorFlow, Celery and the rest (about 3 GB unpacked; minutes on the first run)"
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@# setuptools warns that the working directory may hide the package: here that is the purpose.
	@PYTHONWARNINGS='ignore:Editable installation' \
	    $(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable .
	@touch $@
	@echo "setup: done; try make demo, or $(BIN)/keras2torch --help"

# Two files for live pages and charts, by lock file; a browser gets them from us, never from elsewhere.
$(VENDORED): dashboard/package-lock.json dashboard/package.json
	@if command -v npm >/dev/null; then \
	    echo "setup: bringing htmx and uPlot for the pages of the dashboard" && \
	    npm ci --prefix dashboard --ignore-scripts --no-audit --no-fund --silent && \
	    npm run --prefix dashboard --silent vendor && touch $@; \
	else echo "setup: no npm here, so the dashboard has neither live pages nor charts; all else of it works"; fi

demo: setup ## build the sample zoo, run the fleet on it, show the table and where the results are
	@$(BIN)/python -m samples build/samples
	@bin/fleet migrate build/samples build/demo
	@echo "look      bin/fleet dashboard --dest build/demo, then http://127.0.0.1:8080"

test: setup ## run every test but those in a browser (PYTEST="-k conv" narrows, TEST_PROCESSES=0 runs in one process)
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --ignore tests/browser $(PYTEST)

browser: setup ## use the dashboard as people do, in a headless Chromium, over a fleet that works (minutes)
	@$(BIN)/python -m tests.browser.chromium
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile tests/browser $(PYTEST)

screenshots: setup ## take a picture of every page, wide and narrow, light and dark, and those of the documents (minutes)
	@$(BIN)/python -m tests.browser.chromium
	@$(BIN)/python -m tests.browser.screenshots

soak: setup ## judge 2,000 random models, then break a fleet at ten times the size (hours; SEED=7 or COUNT=500: models alone)
	@$(BIN)/python -m tests.randoms
	@test -n "$(SEED)$(FIRST)$(COUNT)" || $(BIN)/python -m tests.faults --size 10

check: setup ## ruff, mypy --strict, import-linter; and the emitted sources of docs/gallery, as their owner would
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff format --check --isolated --line-length 100 docs/gallery
	@$(BIN)/mypy
	@$(BIN)/mypy --config-file= --ignore-missing-imports docs/gallery/*.py
	@$(BIN)/lint-imports

format: setup ## mend what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup ## write the pages that are derived from the code (docs/layers.md)
	@PYTHONPATH=. $(BIN)/python docs/generate.py

architectures: setup ## write down the architectures of keras.applications anew, after an update of Keras (minutes)
	@$(BIN)/python -m samples.architectures

gallery: setup ## write docs/gallery anew, after a change to the source that is written (seconds)
	@$(BIN)/python -m benchmarks.gallery

migrate: setup ## convert a folder or bucket of models: make migrate SOURCE=models DEST=out (OPTIONS="--backend theano")
	@test -n "$(SOURCE)" && test -n "$(DEST)" || { echo "usage: make migrate SOURCE=FOLDER|s3://... DEST=FOLDER|s3://..."; exit 2; }
	@bin/fleet migrate $(SOURCE) $(DEST) $(OPTIONS)

bench: setup ## measure what the README claims (a conversion beside the least any must do, a forward beside one by hand)
	@$(BIN)/python -m benchmarks.conversion
	@$(BIN)/python -m benchmarks.forward --page

faults: setup ## plant wrong semantics in right bundles, judge each, write the table of docs/parity.md (minutes)
	@PYTHONPATH=. $(BIN)/python -m tests.parity.planting

SIZE ?= 1
chaos: setup ## break a fleet in every way we know, count what it lost, write the table of docs/faults.md (13 minutes; SIZE=0.1: two)
	@$(BIN)/python -m tests.faults --size $(SIZE) --page

applications: setup ## build, convert and prove every model of keras.applications (hours; APPLICATIONS="ResNet50 --size 64" narrows)
	@$(BIN)/python -m benchmarks.applications $(APPLICATIONS)

hostile: setup ## convert every hostile input the tests know, show what became of each, and write it into SECURITY.md
	@$(BIN)/python -m tests.hostile

SECONDS ?= 600
fuzz: setup ## let a fuzzer look for inputs that break the reader or the normaliser (SECONDS=600)
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
