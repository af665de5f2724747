// Command gnetecho is an echo server on gnet, as its examples write one.
//
//	gnetecho IPV4:PORT LOOPS
//
// LOOPS is the number of event loops; 0 is one for each core.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/panjf2000/gnet/v2"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gnetecho:", err)
		os.Exit(1)
	}
}

// run echoes until it fails.
func run(arguments []string) error {
	if len(arguments) != 2 {
		return fmt.Errorf("usage: gnetecho IPV4:PORT LOOPS")
	}
	loops, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	return gnet.Run(&echo{}, "tcp://"+arguments[0], gnet.WithMulticore(loops == 0), gnet.WithNumEventLoop(loops))
}

type echo struct{ gnet.BuiltinEventEngine }

func (*echo) OnTraffic(c gnet.Conn) gnet.Action {
	received, err := c.Next(-1)
	if err != nil {
		return gnet.Close
	}
	if _, err := c.Write(received); err != nil {
		return gnet.Close
	}
	return gnet.None
}
