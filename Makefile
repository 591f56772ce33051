# The short names of what a developer does all day; CONTRIBUTING.md says when.
PYTHON ?= python

.PHONY: check docs sbom test slow format wheel

check:  ## style, types, docstrings and the direction of imports
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pydoclint.main -q kvision export edge
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

docs:  ## the manual in build/site; a warning, such as a broken link, is an error
	$(PYTHON) -m docs.build

sbom:  ## what comes along by default, as CycloneDX in build/; a licence that is not permissive is an error
	$(PYTHON) -m tests.house.sbom build/kvision.cdx.json

test:  ## the default tests, under 20 minutes on 2 cores
	$(PYTHON) -m pytest

slow:  ## the evidence runs
	$(PYTHON) -m pytest -m slow

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

wheel:  ## install the built wheel into a clean environment and train from another folder
	tests/house/wheel.sh
