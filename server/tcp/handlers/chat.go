package handlers

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"wirelab/server/tcp"
)

// maxNick bounds a nickname, in characters.
const maxNick = 20

// maxAnnounced is up to how many members are told who joins and leaves. In a larger
// crowd nobody wants to know, and telling each of everyone costs the square of it.
const maxAnnounced = 100

// Chat is a tcp.Handler that brings every line of a connection to all the others,
// with the sender's nickname. Lines that begin with a slash are commands:
// /nick NAME, /who, /quit, /help.
type Chat struct {
	maxLine int
	show    func(line string)

	mu      sync.Mutex
	members map[*chatter]string // nickname
	here    string              // the answer to /who until the members change; empty: not yet made
}

// NewChat returns a chat without members. show is told all that is said, for
// the people at the server; it may be called from any goroutine.
func NewChat(maxLine int, show func(line string)) *Chat {
	return &Chat{maxLine: maxLine, show: show, members: map[*chatter]string{}}
}

// chatter is one connection of a Chat.
type chatter struct {
	chat *Chat
	conn *tcp.Conn
}

// Open lets a connection join.
func (h *Chat) Open(c *tcp.Conn) tcp.Session {
	s := &chatter{chat: h, conn: c}
	nick := fmt.Sprintf("guest%d", c.ID())
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.taken(nick, s) {
		nick += "_"
	}
	h.members[s], h.here = nick, ""
	// Pushed, not answered: what others say from now on comes after it, and so does
	// every answer.
	c.Push(fmt.Appendf(nil, "* welcome, you are %s; %d here. /nick NAME  /who  /quit\n", nick, len(h.members)))
	h.announce(s, "* %s has joined", nick)
	return s
}

func (s *chatter) Handle(in []byte, eof bool, out []byte) (int, []byte, tcp.Next) {
	return eachLine(in, eof, s.chat.maxLine, out, s.line)
}

// Close lets the connection leave.
func (s *chatter) Close() {
	h := s.chat
	h.mu.Lock()
	defer h.mu.Unlock()
	nick := h.members[s]
	delete(h.members, s)
	h.here = ""
	h.announce(s, "* %s has left", nick)
}

// Name returns the connection's nickname.
func (s *chatter) Name() string {
	s.chat.mu.Lock()
	defer s.chat.mu.Unlock()
	return s.chat.members[s]
}

func (s *chatter) line(line, out []byte) ([]byte, tcp.Next) {
	text := printable(line)
	switch command, argument, _ := strings.Cut(text, " "); {
	case text == "":
		return out, tcp.Wait
	case command == "/nick":
		return append(out, s.chat.rename(s, strings.TrimSpace(argument))...), tcp.Wait
	case command == "/who":
		return append(out, s.chat.who()...), tcp.Wait
	case command == "/quit":
		return append(out, "* goodbye\n"...), tcp.Finish
	case strings.HasPrefix(command, "/"):
		return append(out, "* /nick NAME  /who  /quit\n"...), tcp.Wait
	}
	s.chat.say(s, text)
	return out, tcp.Wait
}

func (h *Chat) say(s *chatter, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tell(s, "<%s> %s", h.members[s], text)
}

// operatorNick is what the person at the server is called.
const operatorNick = "operator"

// Say brings a line of the person at the server to all. It is not shown there again.
func (h *Chat) Say(line string) {
	text := printable([]byte(line))
	if text == "" {
		return
	}
	said := []byte("<" + operatorNick + "> " + text + "\n")
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.members {
		s.conn.Push(said)
	}
}

func (h *Chat) rename(s *chatter, nick string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !validNick(nick):
		return fmt.Sprintf("* a nickname is 1 to %d letters, digits, - and _\n", maxNick)
	case h.taken(nick, s):
		return fmt.Sprintf("* %s is taken\n", nick)
	}
	if before := h.members[s]; before != nick {
		h.tell(s, "* %s is now %s", before, nick)
	}
	h.members[s], h.here = nick, ""
	return fmt.Sprintf("* you are %s\n", nick)
}

// who answers /who. To sort the names for each of thousands of lines that a peer may send
// at once would keep its loop from all others.
func (h *Chat) who() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.here == "" {
		nicks := slices.Sorted(maps.Values(h.members))
		h.here = fmt.Sprintf("* %d here: %s\n", len(nicks), strings.Join(nicks, " "))
	}
	return h.here
}

// announce tells of a coming and going, to the people at the server always.
func (h *Chat) announce(from *chatter, format, nick string) {
	if len(h.members) > maxAnnounced {
		h.show(fmt.Sprintf(format, nick))
		return
	}
	h.tell(from, format, nick)
}

// tell sends a line to everyone but from, and shows it. h is locked, so that all
// see the lines in one order.
func (h *Chat) tell(from *chatter, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	h.show(line)
	ended := []byte(line + "\n")
	for s := range h.members {
		if s != from {
			s.conn.Push(ended)
		}
	}
}

// taken reports whether another than by has a nickname that looks like nick.
func (h *Chat) taken(nick string, by *chatter) bool {
	if strings.EqualFold(nick, operatorNick) {
		return true
	}
	for s, n := range h.members {
		if s != by && strings.EqualFold(n, nick) {
			return true
		}
	}
	return false
}

func validNick(nick string) bool {
	ok := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' }
	return nick != "" && utf8.RuneCountInString(nick) <= maxNick && strings.IndexFunc(nick, func(r rune) bool { return !ok(r) }) < 0
}

// printable returns the line as text that cannot drive anybody's terminal:
// without control and format characters, and with invalid UTF-8 replaced.
func printable(line []byte) string {
	valid := bytes.ToValidUTF8(line, []byte("\uFFFD"))
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, string(valid)))
}
