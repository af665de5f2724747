//go:build !linux

package netlink

import (
	"time"

	"wirelab/internal/sys"
)

// Conn is a netlink socket, which only Linux has.
type Conn struct{}

func Dial(int) (*Conn, error) { return nil, unsupported() }

func unsupported() error {
	return &sys.OpError{Op: "open netlink socket", Err: sys.ErrUnsupported}
}

func (*Conn) Close() error                                                { return unsupported() }
func (*Conn) SetReadDeadline(time.Time) error                             { return unsupported() }
func (*Conn) Join(int) error                                              { return unsupported() }
func (*Conn) Execute(*Encoder, Describe) error                            { return unsupported() }
func (*Conn) ExecuteEach(*Encoder, func(int, error) bool, Describe) error { return unsupported() }
func (*Conn) Get(*Encoder, Describe) (Message, error)                     { return Message{}, unsupported() }
func (*Conn) Dump(*Encoder, Describe) (Messages, error)                   { return nil, unsupported() }
func (*Conn) Receive() (Messages, error)                                  { return nil, unsupported() }
func (*Conn) Generation() (uint32, error)                                 { return 0, unsupported() }
func (*Conn) Consistently(func() error) (uint32, error)                   { return 0, unsupported() }
func (*Conn) Commit(*Batch, uint32, Describe) error                       { return unsupported() }
func (*Conn) Pending() bool                                               { return false }
func (*Conn) Log(uint16, uint32) error                                    { return unsupported() }
