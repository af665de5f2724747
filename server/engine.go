package server

import (
	"fmt"
	"slices"
	"strings"

	"wirelab/internal/sys"
)

// An engine decides how the connections of one TCP server share the machine.
// It owns their sockets; what they are for is the TCP type's and the Handler's
// business, reached through TCP.admit, Conn.turn and TCP.retire.
type engine interface {
	// run accepts connections and hosts them until stop was called and the last
	// of them has ended; all that it started has ended when it returns. What keeps it
	// from accepting, or from hosting some of them, it tells TCP.fail at once.
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

	// probe tells whether the machine has what the model needs: nil, or an error that
	// is sys.ErrUnsupported or sys.ErrNotPermitted.
	probe func() error
	// maxConns returns the most connections that the machine can hold under this
	// model, and why; 0 is no bound of the engine's own.
	maxConns func() (n int, why string)
	// start makes the engine for s on a blocking listening descriptor, which is the
	// engine's from then on, also when start fails.
	start func(s *TCP, listener int) (engine, error)
}

// Check tells whether the model can be had on this machine: nil, or an error that
// is sys.ErrUnsupported or sys.ErrNotPermitted.
func (k EngineKind) Check() error { return k.probe() }

// AutoEngine is the name that stands for the best engine that works on this machine.
const AutoEngine = "auto"

// Engines returns the concurrency models, the default first.
func Engines() []EngineKind {
	return []EngineKind{
		{
			Name: "goroutine", Summary: "a goroutine for each connection, on Go's network poller", TLS: true,
			probe: anywhere, maxConns: unbounded, start: startGoroutines,
		},
		{
			Name: "thread", Summary: "an OS thread and blocking system calls for each connection",
			probe: anywhere, maxConns: maxThreadConns, start: startThreads,
		},
		{
			Name: "epoll", Summary: "an event loop for each core (epoll)",
			probe: probeEpoll, maxConns: unbounded, start: startEpoll,
		},
		{
			Name: "uring", Summary: "an event loop for each core (io_uring)",
			probe: sys.ProbeRing, maxConns: unbounded, start: startUring,
		},
	}
}

func anywhere() error          { return nil }
func unbounded() (int, string) { return 0, "" }

func probeEpoll() error {
	queue, err := sys.NewEpoll()
	if err != nil {
		return err
	}
	return queue.Close()
}

// byCost returns the names of the engines that can stand in for each other, the
// one with the least processor time for a request first.
func byCost() []string { return []string{"uring", "epoll", "goroutine"} }

// chooseEngine returns the engine of that name. If the machine lacks what it needs,
// it returns the next best, and a note that says why; so it does for AutoEngine.
func chooseEngine(name string, needTLS bool) (kind EngineKind, note string, err error) {
	candidates := []string{name}
	if i := slices.Index(byCost(), name); i >= 0 {
		candidates = byCost()[i:]
	} else if name == AutoEngine {
		candidates = byCost()
	}
	var missing []string
	for _, candidate := range candidates {
		kind, err := findEngine(candidate)
		if err != nil {
			return EngineKind{}, "", err
		}
		if needTLS && !kind.TLS {
			if name == AutoEngine {
				continue
			}
			return EngineKind{}, "", fmt.Errorf("engine %s cannot do TLS; use engine goroutine: %w", kind.Name, sys.ErrUnsupported)
		}
		if err := kind.probe(); err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", kind.Name, err))
			continue
		}
		return kind, strings.Join(missing, "; "), nil
	}
	return EngineKind{}, "", fmt.Errorf("no engine works here (%s): %w", strings.Join(missing, "; "), sys.ErrUnsupported)
}

func findEngine(name string) (EngineKind, error) {
	kinds := Engines()
	i := slices.IndexFunc(kinds, func(k EngineKind) bool { return k.Name == name })
	if i < 0 {
		names := []string{AutoEngine}
		for _, k := range kinds {
			names = append(names, k.Name)
		}
		return EngineKind{}, fmt.Errorf("there is no engine %q; engines are %s", name, strings.Join(names, ", "))
	}
	return kinds[i], nil
}
