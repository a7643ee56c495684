# `make` alone lists the targets. Each does all the set-up that it needs, in .venv/.

# Which Python .venv/ is made with; unset: the first that will do (see scripts/find-python).
PYTHON ?=
# More arguments for the command that a target runs: make train ARGS="--epochs 3"
ARGS ?=

# How the tests are spread over processes: make test PARALLEL= for one.
PARALLEL ?= --numprocesses auto --dist loadfile --no-loadscope-reorder

BIN := .venv/bin
# Written when the packages for serving and training, or for development too, were installed.
TRAIN := .venv/.installed-train
DEV := .venv/.installed-dev
DOCS := .venv-docs/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help serve train evaluate data test test-quick test-clients check lint types coverage docs reference messages fuzz audit bench soak requirements clean

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

serve: data  ## set everything up, get the data set, and serve
	@exec $(BIN)/fashion-api serve $(ARGS)

train: data  ## train a model
	@exec $(BIN)/fashion-api train $(ARGS)

evaluate: data  ## score the model
	@exec $(BIN)/fashion-api evaluate $(ARGS)

data: $(TRAIN)  ## get the data set, if it is not there
	@scripts/fetch-data

# Else each of the hundreds of processes that the tests start would compile our modules anew.
test test-quick coverage: export PYTHONDONTWRITEBYTECODE =

test: $(DEV) data  ## run the tests, but for those with clients
	$(BIN)/pytest $(PARALLEL) -m "not clients" $(ARGS)

test-quick: $(DEV) data  ## run the quick tests: no TensorFlow, browser, clients or processes of the service
	$(BIN)/pytest $(PARALLEL) -m "not tensorflow and not clients and not browser and not services" $(ARGS)

test-clients: $(DEV)  ## ask with public clients, and with generated ones; needs Node.js
	$(BIN)/pytest -m clients $(ARGS)

check: lint types coverage docs  ## all that has to pass: lint, types, tests with their coverage, documentation

lint: $(DEV)  ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(DEV)  ## check types
	$(BIN)/mypy

coverage: $(DEV) data  ## run all tests and report the lines and branches that they reach
	$(BIN)/pytest $(PARALLEL) $(ARGS) --cov

docs: $(DOCS)  ## build the documentation as a site, in dist/docs/
	@scripts/build-docs

reference: $(DEV)  ## write the pages of docs/reference/ that come from the code
	$(BIN)/python scripts/reference.py

messages: $(DEV)  ## generate the code of the gRPC messages from src/fashion_api/rpc/messages/*.proto
	$(BIN)/python -m grpc_tools.protoc --proto_path=src --include_imports --pyi_out=src \
		--descriptor_set_out=src/fashion_api/rpc/messages/descriptors.binpb src/fashion_api/rpc/messages/*.proto

fuzz: $(DEV)  ## look for inputs that break a reader or the server; takes 10 minutes for each
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

audit: $(DEV)  ## check the locked packages: known vulnerabilities, licences; list them in dist/sbom/
	@exec $(BIN)/python scripts/audit.py

soak: $(DEV) data  ## prove the service reliable (see docs/explanation/reliability.md); up to 15 minutes a part, ARGS=PART for one
	@exec $(BIN)/python -m benchmarks.soak $(ARGS)

bench: data  ## measure the service and its peers (see benchmarks/README.md); takes an hour
	@exec $(BIN)/python -m benchmarks $(ARGS)

requirements:  ## lock the requirements anew; ARGS=--upgrade takes the newest versions
	@PYTHON="$(PYTHON)" scripts/lock-requirements $(ARGS)

clean:  ## remove what was built; not the data set, and not the models
	rm -rf .venv .venv-docs .coverage* coverage.xml htmlcov dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf tests/clients/.environments
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python="$$(scripts/find-python "$(PYTHON)")" && "$$python" -m venv --clear .venv || { rm -rf .venv; exit 1; }
	@echo "Setting up .venv/, once; what is installed is logged in .venv/setup.log." >&2

$(DOCS): requirements/docs.txt
	@python="$$(scripts/find-python "$(PYTHON)")" && "$$python" -m venv --clear .venv-docs
	.venv-docs/bin/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

# The project itself is linked, not copied: a change in src/ needs no new installation.
define install
	@scripts/step "Installing the packages for $(1)" $(BIN)/python -m pip install --require-hashes --requirement $<
	@scripts/step "Linking the project" $(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
endef

$(TRAIN): requirements/train.txt pyproject.toml | $(BIN)/python
	$(call install,serving and training)
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call install,development)
	@touch $@ $(TRAIN)
