# What there is to do: make help

# Debian packages of the programs that tests talk to, and of what the race
# detector and the C peers in bench/ are compiled with.
packages := netcat-openbsd ncat socat strace python3-scapy openssl procps iproute2 lsof gcc libc6-dev tshark tcpdump xxd bsdextrautils openssh-server openssh-client tmux sudo systemd chrony ntpsec-ntpdig nftables iptables

# And of the peers that bench/ does not build itself.
peers := iperf3 sockperf gcc libc6-dev netsniff-ng

FUZZTIME ?= 10s

.DEFAULT_GOAL := help
.PHONY: help build test test-bench test-all soak check packages bench pictures fuzz proof clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

# What is checked is compiled as the program is, so that all of it is compiled once; a
# sixth less of the time with more memory for the compiler.
build check: export CGO_ENABLED := 0
build check: export GOFLAGS := $(GOFLAGS) -trimpath
build check test soak: export GOGC := 400

build: ## build ./wirelab: one static binary
	go build -buildvcs=auto -o wirelab .
	@if ldd wirelab >/dev/null 2>&1; then echo 'wirelab is not static:'; ldd wirelab; exit 1; fi

# Go's test cache cannot see the programs that tests talk to, hence -count=1; check vets.
# A program would sleep a second at its end, in case there is still a race. Programs that
# tests build are watched as well, and compiled of what is compiled already. What takes
# longest begins first, and what waits leaves its processor to a third.
race := GORACE=atexit_sleep_ms=20 CGO_ENABLED=1 GOFLAGS='$(GOFLAGS) -race' go
race_test := test -vet=off -count=1 -p 3 -exec 'env -u GOGC'

test: packages ## install what tests need (as root), run all tests with the race detector
	$(race) build ./...
	@$(MAKE) --no-print-directory --jobs=2 test-bench test-all

test-bench:
	$(race) -C bench $(race_test) ./...

test-all:
	$(race) $(race_test) -timeout 15m ./server/tcp ./cli ./load ./...

soak: packages ## the tests that make test shortens, in full
	WIRELAB_SOAK=1 $(race) $(race_test) -timeout 60m ./server/... ./cli

check: ## gofmt, vet, staticcheck, and whether it and its tests compile for macOS
	@bad=$$(gofmt -l .) && [ -z "$$bad" ] || { echo "gofmt these: $$bad"; exit 1; }
	go mod tidy -diff
	go -C bench mod tidy -diff
	go vet ./...
	go -C bench vet ./...
	go run .ci/typecheck.go darwin -test ./...
	go tool staticcheck ./...
	cd bench && $$(go -C .. tool -n staticcheck) ./...

packages: ## install the Debian packages that tests need (as root), or name those that are missing
	@sh .ci/packages $(packages)

bench: ## measure wirelab against its peers, and rewrite bench/RESULTS.md (takes a quarter of an hour on an idle machine)
	@sh .ci/packages $(peers)
	$(MAKE) --no-print-directory build
	go -C bench run . -wirelab $(CURDIR)/wirelab -o RESULTS.md

pictures: build ## record the pictures of the README in a terminal (as root, for virtual hosts)
	script --quiet --return --command 'stty cols 80; exec ./wirelab demo time' /dev/null </dev/null | tail -n +2 | go -C bench run ./picture wirelab demo time > docs/pictures/demo.svg

fuzz: ## fuzz each parser for FUZZTIME (10s)
	@for package in $$(go list ./...); do \
		listed=$$(go test -list '^Fuzz' $$package) || exit 1; \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

proof: packages ## try 5,000,000 packets on 5,000 random firewalls: simulator, netlink, nft and iptables (as root, ten minutes)
	go test -count=1 -timeout 60m -v -run TestProof ./firewall/trial -proof.packets 5000000 -proof.policies 5000

clean: ## remove what was built
	rm -f wirelab
