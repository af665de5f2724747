//go:build !linux

package clock

import (
	"time"

	"wirelab/internal/sys"
)

func unsupported(op string) error { return &sys.OpError{Op: op, Err: sys.ErrUnsupported} }

func Read() (Reading, error)     { return Reading{}, unsupported("read the kernel's clocks") }
func ReadState() (State, error)  { return State{}, unsupported("adjtimex") }
func SetFrequency(float64) error { return unsupported("set frequency of CLOCK_REALTIME") }
func Step(time.Duration) error   { return unsupported("step CLOCK_REALTIME") }
func SetSync(Sync) error         { return unsupported("set state of CLOCK_REALTIME") }
func MaySteer() error            { return unsupported("steer CLOCK_REALTIME") }
