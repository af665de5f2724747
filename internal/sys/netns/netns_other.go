//go:build !linux

package netns

import "wirelab/internal/sys"

// Namespace is a network namespace, which only Linux has.
type Namespace struct{}

func unsupported() error { return &sys.OpError{Op: "network namespace", Err: sys.ErrUnsupported} }

func New() (*Namespace, error)           { return nil, unsupported() }
func Open(string) (*Namespace, error)    { return nil, unsupported() }
func Current() (*Namespace, error)       { return nil, unsupported() }
func Named(string) (*Namespace, error)   { return nil, unsupported() }
func Add(string) (*Namespace, error)     { return nil, unsupported() }
func Delete(string) error                { return unsupported() }
func Names() ([]string, error)           { return nil, unsupported() }
func Do(string, func() error) error      { return unsupported() }
func (*Namespace) Close() error          { return unsupported() }
func (*Namespace) Descriptor() int       { return -1 }
func (*Namespace) Do(func() error) error { return unsupported() }
