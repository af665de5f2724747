package tcp

import (
	"fmt"
	"slices"
	"strings"

	"wirelab/internal/sys"
	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/uring"
)

// An engine decides how the connections of one TCP server share the machine.
// It owns their sockets; what they are for is the TCP type's and the Handler's
// business, reached through Server.admit, Conn.turn and Server.retire.
type engine interface {
	// run accepts connections and hosts them until stop was called and the last
	// of them has ended; all that it started has ended when it returns. What keeps it
	// from accepting, or from hosting some of them, it tells Server.fail at once.
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
	start func(s *Server, listener int) (engine, error)
}

// Check tells whether the model works on this machine: nil, or an error that
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
			probe: uring.Probe, maxConns: unbounded, start: startUring,
		},
	}
}

func anywhere() error          { return nil }
func unbounded() (int, string) { return 0, "" }

func probeEpoll() error {
	queue, err := epoll.New()
	if err != nil {
		return err
	}
	return queue.Close()
}

// byCost returns the names of the engines that can stand in for each other, the
// one with the least processor time for a request first.
func byCost() []string { return []string{"uring", "epoll", "goroutine"} }

// enginesFor returns the engines to try for that name, in this order: what is asked
// for, then what can stand in for it. AutoEngine asks for any of byCost.
func enginesFor(name string, needTLS bool) (kinds []EngineKind, err error) {
	for _, candidate := range withStandIns(name) {
		kind, err := findEngine(candidate)
		switch {
		case err != nil:
			return nil, err
		case !needTLS || kind.TLS:
			kinds = append(kinds, kind)
		case candidate == name:
			return nil, fmt.Errorf("engine %s cannot do TLS; use engine goroutine: %w", name, sys.ErrUnsupported)
		}
	}
	return kinds, nil
}

func withStandIns(name string) []string {
	order := byCost()
	if name == AutoEngine {
		return order
	}
	if i := slices.Index(order, name); i >= 0 {
		return order[i:]
	}
	return []string{name}
}

// A startError is why an engine cannot serve: the machine lacks what it needs, or has
// no more of it.
type startError struct {
	engine string
	err    error
}

func (e *startError) Error() string { return e.engine + ": " + e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// startErrors are those of all engines that were tried, in that order.
type startErrors []error

func (failed startErrors) Unwrap() []error { return failed }
func (failed startErrors) Error() string {
	why := make([]string, len(failed))
	for i, err := range failed {
		why[i] = err.Error()
	}
	return strings.Join(why, "; ")
}

// answer is the error for a caller who asked for that engine. It leaves out the engines
// that were to stand in for it, since nobody asked for them.
func (failed startErrors) answer(asked string) error {
	if asked == AutoEngine {
		return fmt.Errorf("no engine can start here: %w", failed)
	}
	return fmt.Errorf("start engine %w", failed[0])
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
