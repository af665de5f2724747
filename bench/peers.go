package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// A peer is a server that can be measured.
type peer struct {
	name string
	// program is wirelab, a Go package of this module ("./netloop"), or a C file.
	program string
	// arguments of the program; {host}, {port} and {addr} stand for where to listen.
	arguments []string
	datagrams bool // it is a server of datagrams
}

// wirelab is the program of the peers that are ours.
const wirelab = "wirelab"

// peers returns all servers that comparisons name.
func peers() []peer {
	ours := func(engine string) peer {
		arguments := "serve tcp --bind {host} --port {port} --buffer 16384 --engine " + engine
		return peer{name: "wirelab " + engine, program: wirelab, arguments: strings.Fields(arguments)}
	}
	single := func(engine string) peer {
		p := ours(engine)
		p.name, p.arguments = p.name+oneLoop, append(p.arguments, "--loops", "1")
		return p
	}
	theirs := func(name, program string, more ...string) peer {
		return peer{name: name, program: program, arguments: append([]string{"{addr}"}, more...)}
	}
	return []peer{
		ours("goroutine"),
		ours("thread"),
		ours("epoll"),
		ours("uring"),
		single("epoll"),
		single("uring"),
		theirs(gnetOne, "./gnetecho", "1"),
		theirs(gnetAll, "./gnetecho", "0"),
		theirs("Go net loop", "./netloop"),
		theirs("C epoll", "c/echo_epoll.c"),
		theirs("C threads", "c/echo_threads.c"),
		theirs("C io_uring", "c/echo_uring.c"),
	}
}

// findPeer returns the peer with that name.
func findPeer(name string) (peer, error) {
	for _, p := range peers() {
		if p.name == name {
			return p, nil
		}
	}
	return peer{}, fmt.Errorf("no peer is called %q", name)
}

// argumentsFor returns the peer's arguments to listen on a port of 127.0.0.1.
func (p peer) argumentsFor(port string) []string {
	places := strings.NewReplacer("{host}", "127.0.0.1", "{port}", port, "{addr}", "127.0.0.1:"+port)
	arguments := make([]string, len(p.arguments))
	for i, a := range p.arguments {
		arguments[i] = places.Replace(a)
	}
	return arguments
}

// programs are the paths of what was built, by peer.program.
type programs map[string]string

// build compiles what the names say into dir. The path of wirelab is given, for it
// was built by its own Makefile, as its users build it.
func build(ctx context.Context, dir, wirelabPath string, names []string) (programs, error) {
	built := make(programs)
	for _, name := range names {
		if _, done := built[name]; done {
			continue
		}
		path := filepath.Join(dir, strings.TrimSuffix(filepath.Base(name), ".c"))
		var cmd *exec.Cmd
		switch {
		case name == wirelab:
			built[name] = wirelabPath
			continue
		case strings.HasSuffix(name, ".c"):
			cmd = exec.CommandContext(ctx, "gcc", "-O2", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", path, name)
		default:
			cmd = exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, name)
		}
		if output, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", name, err, output)
		}
		built[name] = path
	}
	return built, nil
}
