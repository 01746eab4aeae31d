# Each target does its own set-up, once: a stamp in .venv says what is installed.
.DEFAULT_GOAL := help
.PHONY: help run test fuzz check bench chaos screenshots lock messages vendor

BIN := .venv/bin
# The wheel with a Redis in it is for Python 3.11 and 3.12, so these come first.
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null \
	&& echo $$p && exit; done; echo python3)

# The languages of the panel beside English.
LANGUAGES := it

# The tests mostly wait for servers, so more of them run at once than there are cores.
WORKERS ?= 5

help:
	@echo "make run    start everything; the panel is on http://127.0.0.1:8000"
	@echo "make test   the whole suite on real engines"
	@echo "make fuzz   generated calls of the API, in every role; EXAMPLES=300 of each operation"
	@echo "make check  lint, types, import rules, migrations in step with the models"
	@echo "make bench  the benchmark tables"
	@echo "make chaos  kills and outages by the hundred, and whom they harmed: nobody, or it fails"
	@echo "make screenshots  pictures of every page, empty, full and failing, in var/screenshots"
	@echo "make lock   pin the dependencies of pyproject.toml anew"
	@echo "make messages  gather what is to be translated, and compile what has been"
	@echo "make vendor copy the browser's third-party files, as package-lock.json pins them"

# Started without a shell in between, and tethered: it stops when make is stopped or dies.
run: .venv/.runtime
	@$(BIN)/python launch/tether.py $(BIN)/python -m launch

# What one process has compiled, the hundreds of others need not, whatever the environment says.
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/.dev
	@$(BIN)/python -m tests.engines prepare
	@$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder

# How many random calls of each operation, for each role on each database.
EXAMPLES ?= 100
fuzz: .venv/.dev
	@$(BIN)/python -m tests.engines prepare
	@PARATIA_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q tests/integration/api/test_api_fuzz.py

check: .venv/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		export DATABASE_URL="sqlite:///$$folder/check.db" SECRET_KEY=only-for-this-check LOG_LEVEL=WARNING && \
		$(BIN)/flask db upgrade 2>/dev/null && $(BIN)/flask db check

bench: .venv/.dev
	@$(BIN)/python -m bench

# Two hours; CHAOS_SEED repeats a run. Pieces: .venv/bin/python -m tests.chaos --help
chaos: .venv/.dev
	@$(BIN)/python -m tests.chaos

# DOCS=--docs also replaces the pictures that the documents show.
screenshots: .venv/.dev
	@$(BIN)/python -m tests.screenshots $(DOCS)

lock: .venv/.dev
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --generate-hashes --no-header --python-version 3.11 \
		--extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

HTMX := node_modules/htmx.org
SWAGGER := node_modules/swagger-ui-dist
AXE := node_modules/axe-core
vendor:
	@npm ci --no-audit --no-fund
	@cp $(HTMX)/LICENSE $(HTMX)/dist/htmx.min.js static/vendor/htmx/
	@cp $(SWAGGER)/LICENSE $(SWAGGER)/NOTICE $(SWAGGER)/swagger-ui-bundle.js \
		$(SWAGGER)/swagger-ui-bundle.js.LICENSE.txt $(SWAGGER)/swagger-ui.css static/vendor/swagger-ui/
	@cp $(AXE)/LICENSE $(AXE)/LICENSE-3RD-PARTY.txt $(AXE)/axe.min.js tests/browser/vendor/axe/

# What the templates and the code say, into the catalogs; then translate, and run it again.
BABEL := $(BIN)/pybabel
messages: .venv/.dev
	@mkdir -p translations
	@$(BABEL) -q extract -F babel.cfg -k _l -k N_ --project=Paratia --add-location=file --sort-by-file \
		-o translations/messages.pot .
	@for language in $(LANGUAGES); do \
		test -f translations/$$language/LC_MESSAGES/messages.po || $(BABEL) -q init \
			-i translations/messages.pot -d translations -l $$language; \
		$(BABEL) -q update -i translations/messages.pot -d translations -l $$language \
			--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap; \
	done
	@$(BABEL) -q compile -d translations

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Python 3.11 or newer is needed; say where: make run PYTHON=…")'
	@echo "Making .venv …"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.runtime: requirements.txt | .venv/bin/python
	@echo "Installing into .venv …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	@echo "Installing what tests and checks need …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
