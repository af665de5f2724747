package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"wirelab/internal/sys/session"
)

// startTimeout is how long the holding process has to answer.
const startTimeout = 10 * time.Second

// start starts the process that holds the way back, outside of this session: as a
// transient unit of systemd where that runs, and otherwise, or if that fails, as
// the leader of a session of its own that leaves its control group by itself. It
// returns when that process answers.
func (g *Guard) start(ctx context.Context, j *Journal) (*held, error) {
	dir, err := filepath.Abs(g.Dir)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	args := append(append([]string{}, g.Command...), dir, j.ID)
	var failed error
	if systemdRuns() {
		if failed = startUnit(ctx, j.ID, args); failed == nil {
			held, err := g.answering(ctx, j.ID, 0)
			if err == nil {
				return held, nil
			}
			failed = err
		}
	}
	pid, err := g.startSession(args)
	if err == nil {
		var held *held
		if held, err = g.answering(ctx, j.ID, pid); err == nil {
			return held, nil
		}
	}
	return nil, fmt.Errorf("nothing is changed, because no guard can take it back: %w%s", errors.Join(failed, err), g.said())
}

// systemdRuns reports whether systemd is there, as sd_booted(3) does, and would
// start the guard in our network namespace.
func systemdRuns() bool {
	info, err := os.Stat("/run/systemd/system")
	return err == nil && info.IsDir() && os.Geteuid() == 0 && session.FirstNamespace()
}

// unitName is the name of the transient unit of a change, and of its control group.
func unitName(id string) string { return "wirelab-guard-" + id }

// startUnit has systemd start the guard, and start it again if it is killed: it
// then finds the journal without the program that wrote it, and restores.
func startUnit(ctx context.Context, id string, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	run := exec.CommandContext(ctx, "systemd-run", append([]string{
		"--quiet", "--collect", "--unit=" + unitName(id),
		"--description=Takes a change of wirelab back unless it is confirmed",
		"--property=Restart=on-abnormal", "--property=OOMScoreAdjust=-900", "--",
	}, args...)...)
	run.WaitDelay = time.Second
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("systemd-run: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// startSession starts the guard as the leader of a session of its own. It has
// nothing of ours but the log.
func (g *Guard) startSession(args []string) (pid int, err error) {
	log, err := os.OpenFile(g.path(logName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Cmd{
		Path: args[0], Args: append([]string{"wirelab"}, args[1:]...), Env: []string{}, Dir: "/",
		Stdout: log, Stderr: log, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid = cmd.Process.Pid
	return pid, cmd.Process.Release()
}

// answering waits until the guard answers, and makes us the one that it watches.
// A pid that is not 0 is our child, whose early end ends the waiting.
func (g *Guard) answering(ctx context.Context, id string, pid int) (*held, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		h, err := g.dial(ctx)
		if err == nil {
			if _, err = h.ask(ctx, request{Op: opHold, ID: id}); err == nil {
				return h, nil
			}
			h.close()
		}
		if pid != 0 {
			var status syscall.WaitStatus
			if ended, _ := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); ended == pid {
				return nil, fmt.Errorf("the guard ended at once (status %d)", status.ExitStatus())
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the guard does not answer: %w", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// said returns the last line of the guard's log, for an error.
func (g *Guard) said() string {
	text, _ := os.ReadFile(g.path(logName))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return ": " + last
	}
	return ""
}
