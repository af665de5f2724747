package serve

import (
	"context"
	"fmt"
	"strings"

	"wirelab/cli/config"
)

// reloadOnHangup reads the access rules again on each SIGHUP. A file with
// mistakes changes nothing.
func (s *service) reloadOnHangup(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.hangup:
			s.reload()
		}
	}
}

func (s *service) reload() {
	cfg, err := s.app.Settings(s.cmd)
	if err == nil && cfg.File() == "" && s.rulesFile != "" {
		// Without a file there would be no rules: everybody would be let in.
		err = fmt.Errorf("%s is gone", s.rulesFile)
	}
	log := s.logs.Component("server")
	if err != nil {
		s.app.Complain(fmt.Sprintf("not reloaded, the old access rules stay: %v", err))
		log.Info("not reloaded", "err", err)
		return
	}
	s.setAccess(cfg)
	s.app.Note("access rules reloaded: %d allow, %d deny", len(cfg.Server.Allow), len(cfg.Server.Deny))
	log.Info("access rules reloaded", "allow", len(cfg.Server.Allow), "deny", len(cfg.Server.Deny))
	for _, change := range notTakenOver(s.cfg, cfg) {
		s.app.Note("%s needs a restart", change)
		log.Info("not taken over before a restart", "change", change)
	}
}

// notTakenOver says which keys of servers and logs differ between the configuration in
// force and another, beside those that are reloaded.
func notTakenOver(inForce, read *config.Config) []string {
	var changes []string
	for _, k := range config.Keys() {
		ours := k.Section() == "logs" || k.Section() == "server" || strings.HasPrefix(k.Section(), "server.")
		was, is := k.Text(inForce), k.Text(read)
		if !ours || was == is || k.Name == "server.allow" || k.Name == "server.deny" {
			continue
		}
		changes = append(changes, fmt.Sprintf("%s from %s to %s (%s)", k.Name, was, is, read.Origin(k.Name)))
	}
	return changes
}
