package frame

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// openPacket opens a packet socket that receives nothing before it is bound.
func openPacket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	return fd, sys.NewOpError("open packet socket", err)
}

// attachFilter makes a filter decide what a socket receives.
func attachFilter(fd int, program []Instruction) error {
	if len(program) == 0 {
		return nil
	}
	p := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p)
	runtime.KeepAlive(program)
	return sys.NewOpError("attach filter", err)
}

// bigEndian returns a port or protocol as the kernel's structures hold it.
func bigEndian(v uint16) uint16 { return v<<8 | v>>8 }

// Interface is what AF_PACKET needs to know of a network interface.
type Interface struct {
	Hardware uint16 // its type (ARPHRD_…)
	Address  [6]byte
}

// Hardware returns the type and the address of an interface.
func Hardware(name string) (Interface, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Interface{}, sys.NewOpError("open socket", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return Interface{}, &sys.OpError{Op: "look up interface", Object: name, Err: unix.ENODEV}
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFHWADDR, uintptr(unsafe.Pointer(request))); errno != 0 {
		return Interface{}, &sys.OpError{Op: "look up interface", Object: name, Err: errno}
	}
	sockaddr := (*unix.RawSockaddr)(unsafe.Add(unsafe.Pointer(request), unix.IFNAMSIZ))
	i := Interface{Hardware: sockaddr.Family}
	for n := range i.Address {
		i.Address[n] = byte(sockaddr.Data[n])
	}
	return i, nil
}
