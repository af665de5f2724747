package serve

import (
	"bufio"
	"context"
	"os/signal"
	"syscall"

	"wirelab/cli/term"
)

// longestSaid is the most bytes of a line of the operator; a longer one is several.
const longestSaid = 4096

// listenToOperator brings the lines of a person at the server to all in the chat, until ctx
// ends.
func (s *service) listenToOperator(ctx context.Context) error {
	if s.say != nil && (s.flags.operator || term.IsTerminal(s.app.Stdin)) {
		s.relayOperator(ctx)
	}
	<-ctx.Done()
	return nil
}

// relayOperator returns at the end of the input, or where it cannot be read: a server in the
// background must not take what is typed to a shell, and is not stopped for trying.
func (s *service) relayOperator(ctx context.Context) {
	signal.Ignore(syscall.SIGTTIN)
	input, err := term.OpenInput(s.app.Stdin)
	if err != nil {
		s.app.Note("nobody at the server can speak: %v", err)
		return
	}
	defer input.Close()
	stop := context.AfterFunc(ctx, func() { input.Close() })
	defer stop()
	lines := bufio.NewReaderSize(input, longestSaid)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		s.say(string(line))
	}
}
