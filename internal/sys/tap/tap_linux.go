package tap

import (
	"os"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// Device is the program's end of an interface, which vanishes when it is closed.
type Device struct {
	file *os.File
	name string
}

// Open makes an interface of that name in the network namespace of the calling
// thread; in the name "%d" stands for a free number, and "" is "tun%d" or "tap%d". It
// needs CAP_NET_ADMIN. The interface is down at first.
func Open(name string, mode Mode) (*Device, error) {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &sys.OpError{Op: "open", Object: path, Err: err}
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(uint16(mode) | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, &sys.OpError{Op: "make interface", Object: name, Err: err}
	}
	return &Device{os.NewFile(uintptr(fd), path), request.Name()}, nil
}

// Name returns the name of the interface.
func (d *Device) Name() string { return d.name }

// Write puts one frame or packet into the interface.
func (d *Device) Write(b []byte) (int, error) { return d.file.Write(b) }

// Read waits for one frame or packet that the kernel sent out by the interface.
func (d *Device) Read(b []byte) (int, error) { return d.file.Read(b) }

// Close removes the interface and ends a Read that waits.
func (d *Device) Close() error { return d.file.Close() }
