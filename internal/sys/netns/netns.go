// Package netns makes network namespaces and runs code inside them. A network
// namespace has its own interfaces, addresses, routes, sockets and firewall; see
// network_namespaces(7).
//
// A namespace belongs to an OS thread. [Namespace.Do] therefore runs its function
// on a thread of its own, which enters the namespace and is thrown away
// afterwards. What is opened there, such as a socket, stays in the namespace and
// may be used from anywhere; a goroutine started there runs outside.
//
// Named namespaces are those of ip-netns(8): a file in /run/netns that keeps the
// namespace alive without a process.
package netns

import (
	"errors"
	"fmt"
	"strings"
)

// Dir is where ip-netns(8) keeps the files of named namespaces.
const Dir = "/run/netns"

// ErrName reports a name that cannot be that of a namespace.
var ErrName = errors.New("a namespace's name has no slash, is not empty and has at most 255 bytes")

func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	return nil
}
