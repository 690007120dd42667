# Tidegate. `make` alone lists the targets; each is one line here and a plain go command below.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

GO       ?= go
ARGS     ?=
PKG      ?= ./...
RACE     ?= ./core/...
FUZZTIME ?= 20s
BENCH    ?= .

.PHONY: help run test race lint compat fuzz bench torture examples generate

help: ## list the targets (the default)
	@echo "Tidegate: an embedded data engine. Targets:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Settings: ARGS='--sessions 20' (run), PKG=./core/lane (test, bench), RACE=./core/lane (race),"
	@echo "          FUZZTIME=$(FUZZTIME) (fuzz, a target), BENCH=regexp (bench)"

run: ## a trading day on an embedded database, with a report at the end (ARGS= for flags)
	$(GO) run ./cmd/engine demo $(ARGS)

# One package at a time: tests of the lanes measure time, and two of them on two cores would measure each other.
test: ## every test in its short form
	$(GO) test -p 1 $(PKG)

race: ## the core under the race detector (needs a C compiler on Linux)
	$(GO) test -race -p 1 -parallel 1 $(RACE)

lint: ## go vet, gofmt and the rules of docs/ARCHITECTURE.md
	$(GO) vet $(PKG)
	cd internal/bench && $(GO) vet ./...
	cd internal/bench/plugins && $(GO) vet ./...
	$(GO) test -count=1 ./internal/lint/...

compat: ## sqlc, ent, bun, gorm, goose and golang-migrate on DB.SQL, in a module of their own
	cd internal/compat && $(GO) vet ./... && $(GO) test ./...

fuzz: ## each fuzz target for FUZZTIME
	@for pkg in $$($(GO) list $(PKG)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

bench: ## benchmarks, with allocations, and the engine beside a naive and a tuned pool
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)
	cd internal/bench && $(GO) test -v -run Versus -timeout 10m .
	cd internal/bench/plugins && $(GO) test -v -timeout 10m .

torture: ## every promise put to the test, with a table at the end (an hour or more; ARGS='--only P1', '--short', '--list')
	$(GO) run ./internal/torture/cmd/torture $(ARGS)

examples: ## every example program, built and run by its own test
	$(GO) test -count=1 ./examples/...

generate: ## what go:generate makes
	$(GO) generate $(PKG)
