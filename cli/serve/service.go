package serve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	clocks "wirelab/cli/time"
	"wirelab/clock/steer"
	"wirelab/internal/task"
	"wirelab/observe"
	"wirelab/server"
)

// serviceFlags are the flags of commands that run servers.
type serviceFlags struct {
	readyFile string
	control   string
	operator  bool
}

func (f *serviceFlags) add(cmd *cobra.Command) {
	term.AddLogs(cmd)
	cmd.Flags().StringVar(&f.readyFile, "ready-file", "", "`file` to write a JSON line to for each server that listens")
	cmd.Flags().StringVar(&f.control, "control", "", "`path` of the control socket for ps and kick (default one for each process)")
}

// A service is one process that runs servers, with what belongs to them: logs,
// the control socket, the ready file, access rules that SIGHUP renews, a summary.
type service struct {
	app       *app
	cmd       *cobra.Command
	flags     serviceFlags
	cfg       *config.Config
	since     time.Time
	logs      *observe.Logs
	access    server.Access
	rulesFile string // that the access rules were last read with; empty: none
	screen    *term.Screen
	hangup    chan os.Signal // SIGHUP
	ready     string         // what the ready file holds
	say       func(string)   // to all in the chat; nil: there is none
	parts     []part
	synced    func(steer.Status) // tells the NTP server how good the clock is; nil: there is none
}

// A part is one server of a service, listening and not yet running, or what keeps the
// clock in step.
type part struct {
	listening Listening
	following *clocks.SyncBegan // instead of listening; nil: a server
	run       func(context.Context) error
	close     func() error // of what was opened; does nothing after run
	source    observe.Source
	// processors is how many goroutines Go should run at a time for it to run well; 0: any.
	processors int
	accepted   func() uint64 // connections so far; nil where there are none
}

// name is how messages and errors name the part.
func (p part) name() string {
	if p.following != nil {
		return "time sync"
	}
	return p.listening.Network + " " + p.listening.Addr
}

// first is what it says when it has begun, in text or as JSON.
func (p part) first() fmt.Stringer {
	if p.following != nil {
		return p.following
	}
	return p.listening
}

// serviceGCPercent is Go's GOGC for servers. They make garbage when connections come
// and go and hardly any in between, so that a heap kept smaller costs next to nothing,
// and of many silent connections a quarter of the memory would be room for garbage.
const serviceGCPercent = 50

// runService opens the servers and runs them until ctx ends or one fails.
func (a *app) runService(cmd *cobra.Command, flags serviceFlags, open ...func(*service) (part, error)) error {
	term.OutliveReaders()
	cfg, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	if a.Getenv("GOGC") == "" {
		debug.SetGCPercent(serviceGCPercent)
	}
	s := &service{app: a, cmd: cmd, flags: flags, cfg: cfg, since: time.Now(), logs: a.OpenLogs(cfg), screen: term.NewScreen(a.Console), hangup: make(chan os.Signal, 1)}
	defer s.logs.Close()
	// Before anybody is told that the server is there and may send one.
	signal.Notify(s.hangup, syscall.SIGHUP)
	defer signal.Stop(s.hangup)
	s.setAccess(cfg)
	control, err := a.ListenControl(flags.control)
	if err != nil {
		return err
	}
	defer control.Close()
	if err := s.openParts(open); err != nil {
		return errors.Join(err, s.closeParts())
	}
	if err := s.announce(); err != nil {
		return errors.Join(err, s.closeParts())
	}
	defer s.removeReadyFile()
	err = s.runParts(cmd.Context(), control)
	return errors.Join(err, s.closeParts(), s.summarize())
}

// setAccess makes the access rules those of cfg.
func (s *service) setAccess(cfg *config.Config) {
	s.access.Set(cfg.Server.Allow, cfg.Server.Deny)
	s.rulesFile = cfg.File()
}

// openParts opens all servers or none. How many processors they want is heeded when
// all are open: as many workers as there are is what each takes unless told.
func (s *service) openParts(open []func(*service) (part, error)) error {
	processors := runtime.GOMAXPROCS(0)
	for _, o := range open {
		p, err := o(s)
		if err != nil {
			return err
		}
		s.parts = append(s.parts, p)
		processors = max(processors, p.processors)
	}
	runtime.GOMAXPROCS(processors)
	return nil
}

// closeParts closes what was opened and has not run.
func (s *service) closeParts() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

// explainListen says what to do about an address that cannot be had; autoPort: nor
// the ports after it.
func explainListen(err error, bind netip.Addr, autoPort bool) error {
	var busy *server.PortBusyError
	if zone := term.CheckZone(bind); zone != nil {
		return zone
	}
	switch {
	case errors.As(err, &busy) && autoPort:
		return fmt.Errorf("%w, and so are the ports after it; choose another with --port", err)
	case errors.As(err, &busy):
		return fmt.Errorf("%w; choose another with --port, or take the next free one with --auto-port", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w; ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher --port, or grant it with setcap", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; --bind takes an address of this host, 0.0.0.0 or :: (see: ip address)", err)
	}
	return err
}

// runParts runs the servers, and around them what belongs to them: it is up before
// they serve, and down after they have drained, which can be looked at too.
func (s *service) runParts(ctx context.Context, control *observe.Control) error {
	around := task.Stage{
		{Name: "reload", Run: s.reloadOnHangup},
		{Name: "screen", Run: s.screen.Run},
		{Name: "operator", Run: s.listenToOperator},
		{Name: "control socket", Run: func(ctx context.Context) error {
			return control.Run(ctx, observe.ControlHandlers{Status: s.status, Kick: s.kick})
		}},
		{Name: "memory", Run: func(ctx context.Context) error { return giveBackMemory(ctx, s.accepted, processorTime) }},
	}
	var servers task.Stage
	for _, p := range s.parts {
		servers = append(servers, task.Task{Name: p.name(), Run: p.run})
	}
	return task.Run(ctx, around, servers)
}

func (s *service) status() observe.Status {
	st := observe.Status{
		Schema: observe.StatusSchema, PID: os.Getpid(), Command: "wirelab " + strings.Join(s.app.Args, " "),
		Since: s.since, Logs: s.logs.Status(),
	}
	for _, p := range s.parts {
		st.Sections = append(st.Sections, p.source.Section())
	}
	return st
}

func (s *service) kick(id uint64) bool {
	for _, p := range s.parts {
		if k, ok := p.source.(observe.KickSource); ok && k.Kick(id) {
			return true
		}
	}
	return false
}

// writeChoice writes a line of a table of names that may be chosen.
func writeChoice(b *strings.Builder, name, summary string) {
	fmt.Fprintf(b, "  %-10s  %s\n", name, summary)
}
