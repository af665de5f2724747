//go:build !linux

package lab

import "wirelab/internal/sys"

// OpenPair returns sys.ErrUnsupported.
func OpenPair() (*Pair, error) { return nil, sys.NewOpError("virtual hosts", sys.ErrUnsupported) }
