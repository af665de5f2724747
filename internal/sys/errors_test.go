package sys

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestOpError(t *testing.T) {
	tests := []struct {
		err  *OpError
		text string
		is   error
	}{
		{&OpError{Op: "bind", Err: syscall.EADDRINUSE}, "bind: address already in use", nil},
		{&OpError{Op: "io_uring_setup", Err: syscall.ENOSYS}, "io_uring_setup: not supported here (function not implemented)", ErrUnsupported},
		{&OpError{Op: "stamps", Err: ErrUnsupported}, "stamps: not supported here", ErrUnsupported},
		{&OpError{Op: "new rule", Object: "inet wirelab", Err: syscall.EPERM}, "new rule inet wirelab: not permitted (operation not permitted)", ErrNotPermitted},
		{&OpError{Op: "new link", Object: "vlan7", Err: syscall.EOPNOTSUPP, Message: "Unknown device type"},
			"new link vlan7: not supported here (operation not supported): Unknown device type", ErrUnsupported},
	}
	for _, tt := range tests {
		wrapped := fmt.Errorf("apply: %w", tt.err)
		if tt.err.Error() != tt.text || !errors.Is(wrapped, tt.err.Err) {
			t.Errorf("%v, want %s", tt.err, tt.text)
		}
		for _, kind := range []error{ErrUnsupported, ErrNotPermitted} {
			if errors.Is(wrapped, kind) != (kind == tt.is) {
				t.Errorf("%v is %v: %t", tt.err, kind, kind != tt.is)
			}
		}
	}
	if NewOpError("bind", nil) != nil {
		t.Error("no error is one")
	}
}
