package server

import (
	"fmt"
	"slices"
	"strings"
)

// An engine decides how the connections of one TCP server share the machine.
// It owns their sockets; what they are for is the TCP type's and the Handler's
// business, reached through TCP.admit, Conn.turn and TCP.retire.
type engine interface {
	// run accepts connections and hosts them until stop was called and the last
	// of them has ended; all that it started has ended when it returns.
	run() error
	// stop ends accepting. It does not end connections: the server does, each
	// through its link. It may be called at any time and more than once.
	stop()
}

// EngineKind describes a concurrency model that a TCP server can run under.
type EngineKind struct {
	Name    string
	Summary string
	TLS     bool // whether it can speak TLS

	// maxConns returns the most connections that the machine can hold under this
	// model, and why; 0 is no bound of the engine's own.
	maxConns func() (n int, why string)
	// start makes the engine for s on a blocking listening descriptor, which is the
	// engine's from then on, also when start fails.
	start func(s *TCP, listener int) (engine, error)
}

// Engines returns the concurrency models, the default first.
func Engines() []EngineKind {
	return []EngineKind{
		{
			Name: "goroutine", Summary: "a goroutine for each connection, on Go's network poller", TLS: true,
			maxConns: unbounded, start: startGoroutines,
		},
		{
			Name: "thread", Summary: "an OS thread and blocking system calls for each connection",
			maxConns: maxThreadConns, start: startThreads,
		},
		{
			Name: "epoll", Summary: "an event loop for each core (epoll)",
			maxConns: unbounded, start: startEpoll,
		},
		{
			Name: "uring", Summary: "an event loop for each core (io_uring)",
			maxConns: unbounded, start: startUring,
		},
	}
}

func unbounded() (int, string) { return 0, "" }

func findEngine(name string) (EngineKind, error) {
	kinds := Engines()
	i := slices.IndexFunc(kinds, func(k EngineKind) bool { return k.Name == name })
	if i < 0 {
		names := make([]string, len(kinds))
		for j, k := range kinds {
			names[j] = k.Name
		}
		return EngineKind{}, fmt.Errorf("there is no engine %q; engines are %s", name, strings.Join(names, ", "))
	}
	return kinds[i], nil
}
