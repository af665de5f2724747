package guarded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/guard"
	"wirelab/internal/sys/session"
)

// remoteConfirm is how long a change waits for its confirmation when it comes from a
// remote session and nothing else was asked for.
const remoteConfirm = time.Minute

// Options are the flags of a command that makes a change.
type Options struct {
	state   string
	confirm time.Duration
	yes     bool
	wait    bool
}

// AddStateFlag adds the flag that says where the journal and the confirmed states are.
func (o *Options) AddStateFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.state, "state", "", "`directory` of the journal and the confirmed states (default /var/lib/wirelab, or one in /run/wirelab for a network namespace)")
}

// AddFlags adds all of them.
func (o *Options) AddFlags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.confirm, "confirm", 0, "take the change back unless it is confirmed within this `time` (default 1m in a remote session, else none)")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "keep the change at once: for provisioning, or where you sit at the machine")
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the change is confirmed or taken back; status 1 if the latter")
	o.AddStateFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("confirm", "yes")
	cmd.MarkFlagsMutuallyExclusive("wait", "yes")
}

// A Session is a command at work on the machine.
type Session struct {
	console *term.Console
	options *Options
	guard   *guard.Guard
}

// Open settles what an earlier change left behind, before anybody reads the state.
func (o *Options) Open(ctx context.Context, c *term.Console) (*Session, error) {
	g, err := o.guard(c)
	if err != nil {
		return nil, err
	}
	outcome, err := g.Resolve(ctx)
	if err != nil {
		return nil, privileged(err)
	}
	if outcome != nil {
		c.Note("wirelab: an unfinished change (%s) was found: %s, since %s", outcome.Title, outcome.Result, outcome.Reason)
	}
	return &Session{c, o, g}, nil
}

func (o *Options) guard(c *term.Console) (*guard.Guard, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	g := &guard.Guard{Dir: o.dir(c), Command: []string{exe, holdCommand}}
	for _, k := range kinds() {
		g.Subjects = append(g.Subjects, k.subject)
	}
	return g, nil
}

// dir is --state, or WIRELAB_STATE, or one for the network namespace. Those of other
// namespaces than the first end with the machine's power, as their directory does.
func (o *Options) dir(c *term.Console) string {
	switch dir := c.Getenv("WIRELAB_STATE"); {
	case o.state != "":
		return o.state
	case dir != "":
		return dir
	case session.FirstNamespace():
		return "/var/lib/wirelab"
	}
	boot, _ := session.BootID()
	boot, _, _ = strings.Cut(boot, "-")
	name := strings.Trim(strings.NewReplacer(":[", "-", "]", "").Replace(session.NetworkNamespace()), "-")
	return "/run/wirelab/" + name + "-" + boot
}

// ResultSchema names the form of a Result.
const ResultSchema = "wirelab.apply/1"

// Result is what Apply prints with -o json.
type Result struct {
	Schema string `json:"schema"`
	Title  string `json:"title"`
	ID     string `json:"id,omitempty"`
	Result string `json:"result"` // kept, pending, confirmed, reverted
	Reason string `json:"reason,omitempty"`
	LeftS  int    `json:"confirm_within_s,omitempty"`
	Verb   string `json:"confirm_with,omitempty"`
}

// Apply makes the changes as one, and prints what became of them. Where a
// confirmation is wanted it returns with the change pending, unless --wait was given.
func (s *Session) Apply(ctx context.Context, title string, changes ...*Change) error {
	c := guard.Change{Title: title, Confirm: s.confirm(), Unguarded: true}
	saves := make(map[string]func() ([]byte, error))
	for _, change := range changes {
		c.Kinds = append(c.Kinds, change.Kind)
		c.Unguarded = c.Unguarded && change.Atomic
		saves[change.Kind] = change.Save
	}
	c.Unguarded = c.Unguarded && len(changes) == 1 && c.Confirm == 0
	c.Apply = func(ctx context.Context) error {
		for _, change := range changes {
			if err := change.Apply(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	if only := changes[0]; c.Unguarded && only.After != nil {
		c.After = func() []guard.Part {
			if snapshot := only.After(); snapshot != nil {
				return []guard.Part{{Kind: only.Kind, Snapshot: snapshot}}
			}
			return nil
		}
	}
	s.use(saves)
	pending, err := s.guard.Apply(ctx, c)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, guard.ErrReverted) {
			s.console.Note("wirelab: %v", guard.ErrReverted)
		}
		return privileged(err)
	}
	return s.report(ctx, title, kindOf(changes[0].Kind).verb, pending)
}

// use has the guard save what the changes are about.
func (s *Session) use(saves map[string]func() ([]byte, error)) {
	for i, subject := range s.guard.Subjects {
		save, again := saves[subject.Kind], subject.Save
		if save == nil {
			continue
		}
		s.guard.Subjects[i].Save = func(ctx context.Context, like []byte) ([]byte, error) {
			if like == nil {
				return save()
			}
			return again(ctx, like)
		}
	}
}

// confirm returns how long to wait for a confirmation.
func (s *Session) confirm() time.Duration {
	switch o := s.options; {
	case o.yes:
		return 0
	case o.confirm != 0:
		return o.confirm
	case s.remote():
		return remoteConfirm
	}
	return 0
}

// remote reports whether the command comes from a remote session. A variable may say
// so here, since the answer is only the safer default.
func (s *Session) remote() bool {
	if s.console.Getenv("SSH_CONNECTION") != "" || s.console.Getenv("SSH_TTY") != "" {
		return true
	}
	chain, err := session.Ancestry(os.Getpid())
	if err != nil {
		return false
	}
	_, _, ok := session.Login(chain)
	return ok
}

func (s *Session) report(ctx context.Context, title, verb string, pending *guard.Pending) error {
	r := Result{Schema: ResultSchema, Title: title, Result: "kept"}
	text := "done: " + title
	if pending != nil {
		r.ID, r.Result, r.LeftS, r.Verb = pending.ID, "pending", int(pending.Left.Round(time.Second).Seconds()), "wirelab "+verb+" confirm"
		text = fmt.Sprintf("done, until confirmed: %s\nwithin %v, from a new login: wirelab %s confirm%s   (else the old state comes back)",
			title, pending.Left.Round(time.Second), verb, s.stateFlag())
	}
	if !s.options.wait || pending == nil {
		return s.print(r, text)
	}
	s.console.Note("%s", text)
	o, err := s.guard.Wait(ctx, pending.ID)
	if err != nil {
		return err
	}
	r.Result, r.Reason, r.LeftS = string(o.Result), o.Reason, 0
	if err := s.print(r, fmt.Sprintf("%s: %s", o.Result, o.Reason)); err != nil {
		return err
	}
	if o.Result != guard.Confirmed {
		return term.ErrCheckFailed
	}
	return nil
}

func (s *Session) stateFlag() string {
	if s.options.state != "" {
		return " --state " + s.options.state
	}
	return ""
}

func (s *Session) print(r any, text string) error {
	if s.console.JSON {
		return s.console.PrintJSON(r)
	}
	_, err := fmt.Fprintln(s.console.Stdout, text)
	return err
}

// privileged says what to do about a missing privilege.
func privileged(err error) error {
	if errors.Is(err, fs.ErrPermission) && !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		return fmt.Errorf("%w: changing the machine needs root (CAP_NET_ADMIN, and a state directory: --state)", err)
	}
	return err
}
