# make fast    a sample of the tests that need no TensorFlow; takes a minute
# make test    all of those, those of PyTorch, and the tests against TensorFlow 1.15 and three
#              revisions of the stock API; takes twenty minutes
# make thorough  the same with all cases and long sweeps, of which `make test` takes a part; takes
#              hours
# make torchvision  the tests of PyTorch beside torchvision, whose environment takes 5.5 GB
# make lint    ruff (format and lint) and mypy
# make matrix  every family of detectors in every era, into docs/matrix.md; takes hours, and goes on
#              where it was stopped
# make outputs  published layouts, their own graphs beside the stock graph of the output, into
#              docs/outputs.md; takes an hour
# make docs    builds the documentation into site/; a link that leads nowhere fails it
# make pictures  the pictures in docs/ that show what graphfix draws (with Chromium, the report, too)
# make demo    converts the detector in testdata/ and shows what it finds before and after, and in
#              OpenCV, where that can be had
# make bench   times conversions beside a plain TensorFlow script and `cp`
# make robustness  tries to break graphfix for hours, into docs/robustness.md
# make clean   removes what the above leave in this folder
#
# Environments are built once, outside this folder; tests/environments/make.py says where.

# Tests start graphfix some thousand times: it is compiled once.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
ENVIRONMENT := $(PYTHON) tests/environments/make.py

.PHONY: fast test lint thorough torchvision matrix outputs docs pictures demo bench robustness clean

fast:
	@python=$$($(ENVIRONMENT) fast) && \
	"$$python" -m pytest -q -n auto -m "not slow" tests --ignore=tests/stock

# All runs happen whatever the first one says, and any one's failure is the target's.  The one with
# PyTorch is left out, and says so, where there is no build of it for the processor alone.  A worker of
# the last one needs some 3 GB, and a file's tests share what they make: hence two, by files.
test:
	@fast=$$($(ENVIRONMENT) fast) && stock=$$($(ENVIRONMENT) stock-2019-07) && \
	$(ENVIRONMENT) stock-2019-04 stock-2021 > /dev/null && \
	{ "$$fast" -m pytest -n auto tests --ignore=tests/stock; status=$$?; \
	  if torch=$$($(ENVIRONMENT) torch); then \
	    "$$torch" -m pytest tests/torch tests/formats/test_safetensors.py || status=1; \
	  else [ $$? -eq 3 ] || status=1; fi; \
	  "$$stock" -m pytest -n 2 --dist loadfile tests/stock && exit $$status; }

# All three run, and any one's failure is the target's.
lint:
	@python=$$($(ENVIRONMENT) lint) && status=0; \
	"$$python" -m ruff format --check . || status=1; \
	"$$python" -m ruff check . || status=1; \
	"$$python" -m mypy || status=1; exit $$status

thorough: export GRAPHFIX_ALL_CONFIGS = 1
thorough: test

torchvision:
	@python=$$($(ENVIRONMENT) torchvision) && "$$python" -m pytest -n 2 tests/torch

matrix:
	@python=$$($(ENVIRONMENT) fast) && "$$python" tests/stock/matrix.py \
	--output docs/matrix.md

outputs:
	@stock=$$($(ENVIRONMENT) stock-2019-07) && PYTHONPATH=. "$$stock" tests/stock/outputs_table.py \
	--output docs/outputs.md

# The variable silences a notice of Material's.
docs:
	@python=$$($(ENVIRONMENT) docs) && NO_MKDOCS_2_WARNING=1 "$$python" -m mkdocs build --quiet --strict \
	&& echo "site/index.html"

pictures: demo
	@stock=$$($(ENVIRONMENT) stock-2019-07) && PYTHONPATH=. "$$stock" docs/pictures.py

demo:
	@stock=$$($(ENVIRONMENT) stock-2019-07) && { opencv=$$($(ENVIRONMENT) opencv-4) || :; } && \
	PYTHONPATH=. "$$stock" testdata/demo.py $$opencv

bench:
	@stock=$$($(ENVIRONMENT) stock-2019-07) && PYTHONPATH=. "$$stock" benchmarks/convert.py

robustness:
	@fast=$$($(ENVIRONMENT) fast) && stock=$$($(ENVIRONMENT) stock-2019-07) && \
	"$$fast" benchmarks/robustness --write --stock "$$stock"

clean:
	rm -rf build dist demo-output site graphfix.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
