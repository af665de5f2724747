// Command udpserver is a UDP server as a type with a log and time differences: what the
// Python project's udp_server_class.py was.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"wirelab/server/udp"
)

// A TimeServer answers datagrams that carry a time with the difference to its own clock.
type TimeServer struct {
	server *udp.Server
	log    *slog.Logger
}

// NewTimeServer listens on an address; its clock is ahead by offset, to try it.
func NewTimeServer(addr string, offset time.Duration, log *slog.Logger) (*TimeServer, error) {
	server, err := udp.Listen(udp.Config{
		Addr: netip.MustParseAddrPort(addr), Handler: udp.TimeDiff{}, HandlerName: "timediff", ClockOffset: offset, Log: log,
	})
	return &TimeServer{server, log}, err
}

// Run answers until ctx ends, and then says what it measured of each peer.
func (s *TimeServer) Run(ctx context.Context) error { return s.server.Run(ctx) }

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := NewTimeServer("127.0.0.1:0", 350*time.Millisecond, log)
	if err != nil {
		log.Error("no server", "err", err)
		os.Exit(1)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	c, err := net.Dial("udp", s.server.Addr().String())
	if err == nil {
		now := time.Now()
		fmt.Fprintf(c, "%d.%06d and by your clock? how late is this, in microseconds?", now.Unix(), now.Nanosecond()/1000)
		answer := make([]byte, 100)
		n, _ := c.Read(answer)
		fmt.Printf("%s", answer[:n])
	}
	stop()
	fmt.Println(<-ended)
}
