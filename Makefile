# make demo: train on stories, or go on where that stopped; sample, probe.  make test: every test.  Both first make .venv
# with all that is needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/demo

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(BIN)/python train.py run=$(RUN) resume=auto
	$(BIN)/python sample.py run=$(RUN) n=3 max_new_tokens=60
	$(BIN)/python probe.py run=$(RUN) dynamics=true

test: $(VENV)/browser-looked-for
	@echo "every test: about 9 minutes on two cores; the last line says how long it took"
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/tests-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python --summary=none
	$(BIN)/python tests/lint_pages.py

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Lookback needs Python 3.11, 3.12 or 3.13; say which with: make PYTHON=python3.11 ...")'
	@echo "installing into $(VENV); the first time takes some minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/tests-installed: $(VENV)/installed tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

$(VENV)/browser-looked-for: $(VENV)/tests-installed tests/get_browser.py common/browser.py
	@PYTHONPATH=. $(BIN)/python tests/get_browser.py
	@touch $@

clean:
	rm -rf $(VENV) cache .pytest_cache .ruff_cache
