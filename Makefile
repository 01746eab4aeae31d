# Each target does its own set-up, once: a stamp in .venv says what is installed.
.DEFAULT_GOAL := help
.PHONY: help run install test quick versions fuzz check bench chaos screenshots lock messages vendor rooms

BIN := .venv/bin
# What `python3` is, where that is new enough; else the newest that has a name of its own.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && exit; done; echo python3)

# The languages of the panel beside English.
LANGUAGES := it

# Tests wait for servers too, so more of them run at once than there are cores. Not many more: five
# on two cores got in each other's way, and took a third longer than four.
WORKERS ?= 4
QUICK_WORKERS ?= 4

help:
	@echo "make run    start everything; the panel is on http://127.0.0.1:8000"
	@echo "make install  what make run installs, and starts nothing"
	@echo "make test   the whole suite on real engines"
	@echo "make quick  what needs no whole product, browser or PostgreSQL: two minutes"
	@echo "make versions  one start and the unit tests on each other Python of this machine"
	@echo "make fuzz   generated calls of the API, in every role; EXAMPLES=300 of each operation"
	@echo "make check  lint, types, import rules, migrations in step with the models"
	@echo "make bench  the benchmark tables, an hour; the figures also go to bench/results"
	@echo "make chaos  kills and outages by the hundred, and whom they harmed: nobody, or it fails"
	@echo "make screenshots  pictures of every page, empty, full and failing, in var/screenshots"
	@echo "make rooms  draw the rooms and their table in CONTRIBUTING.md anew"
	@echo "make lock   pin the dependencies of pyproject.toml anew"
	@echo "make messages  gather what is to be translated, and compile what has been"
	@echo "make vendor copy the browser's third-party files, as package-lock.json pins them"

# Started without a shell in between, and wrapped: it stops when make is stopped or dies.
run: .venv/.runtime .venv/.own-env
	@$(BIN)/python launch/wrapper.py $(BIN)/python -m launch

install: .venv/.runtime .venv/.own-env

# What one process has compiled, the hundreds of others need not, whatever the environment says.
test quick: export PYTHONDONTWRITEBYTECODE =
test: .venv/.dev
	@$(BIN)/python -m tests.engines prepare
	@$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder

# tests/packing.py says which tests those are; what they do without need not be there.
quick: .venv/.dev
	@PARATIA_TEST_WITHOUT="$$PARATIA_TEST_WITHOUT,milvus-standalone,pymilvus26,chromium,postgres,pgbouncer" \
		$(BIN)/python -m tests.engines prepare
	@$(BIN)/python -m pytest -q --quick -n $(QUICK_WORKERS) --no-loadscope-reorder

versions: .venv/.dev
	@$(BIN)/python -m tests.versions

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

# An hour; BENCH="--database postgresql" measures the other database. Pieces, which are not saved:
# .venv/bin/python -m bench --help
bench: .venv/.dev
	@$(BIN)/python -m tests.engines prepare
	@$(BIN)/python -m bench --save bench/results $(BENCH)

# Two hours; CHAOS_SEED repeats a run. Pieces: .venv/bin/python -m tests.chaos --help
chaos: .venv/.dev
	@$(BIN)/python -m tests.chaos

# After a change of the layers contract, or of a room's first docstring line.
rooms: .venv/.dev
	@$(BIN)/python -m tests.rooms

# DOCS=--docs also replaces the pictures that the documents show.
screenshots: .venv/.dev
	@$(BIN)/python -m tests.screenshots $(DOCS)

lock: .venv/.dev
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --generate-hashes --no-header --python-version 3.11 \
		--extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --generate-hashes --no-header --python-version 3.11 \
		--group bench -o requirements-bench.txt

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
	@$(BABEL) -q extract -F babel.cfg -k _l -k N_ -k plain -k counted:1,2 --project=Paratia --add-location=file --sort-by-file \
		-o translations/messages.pot .
	@for language in $(LANGUAGES); do \
		test -f translations/$$language/LC_MESSAGES/messages.po || $(BABEL) -q init \
			-i translations/messages.pot -d translations -l $$language; \
		$(BABEL) -q update -i translations/messages.pot -d translations -l $$language \
			--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap; \
	done
	@$(BABEL) -q compile -d translations

# The first lines of its programs hold this folder's path, and some characters break them.
.venv/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Python 3.11 or newer is needed; say where: make run PYTHON=…")'
	@echo "Making .venv …"
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }
	@$(BIN)/pip --version >/dev/null 2>&1 || { rm -rf .venv; echo "The programs of a Python" \
		"environment do not run in this folder: a quote, a backslash or a dollar sign in its" \
		"path breaks them. Move the project to a folder without one."; exit 1; }

.venv/.runtime: requirements.txt | .venv/bin/python
	@echo "Installing into .venv …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

# `.env` is read by the settings, and by nothing else: `flask` and pymilvus would read it in
# another way, `flask` those of the folders above too, and fail where the settings explain.
OWN_ENV := import os; os.environ.update(FLASK_SKIP_DOTENV='1', PYTHON_DOTENV_DISABLED='1')
.venv/.own-env: | .venv/bin/python
	@echo "$(OWN_ENV)" > \
		"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/paratia.pth"
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime .venv/.own-env
	@echo "Installing what tests and checks need …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
