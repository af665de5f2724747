package probe

import (
	"net/netip"
	"time"

	"wirelab/internal/sys/datagram"
)

// A warmer sends datagrams to itself. A request that leaves after a pause finds the
// kernel's code out of the processor's caches, between its stamp and the wire: measured,
// a microsecond that the way back does not have. What it needs is nearly all what a
// datagram over the loopback interface needs too.
type warmer struct {
	conn   *datagram.Conn
	reader *datagram.Reader
	writer *datagram.Writer
	batch  [1]datagram.Datagram
}

// newWarmer returns nil where there is no loopback interface.
func newWarmer(size int) *warmer {
	conn, err := datagram.Listen(datagram.Config{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), SendStamps: true})
	if err != nil {
		return nil
	}
	w := &warmer{conn: conn, reader: conn.NewReader(4, size), writer: conn.NewWriter(1)}
	w.batch[0] = datagram.Datagram{Payload: make([]byte, size), Peer: conn.LocalAddr(), Stamp: true}
	return w
}

const (
	// cold is how long after the last request the caches may hold something else.
	cold = 2 * time.Millisecond
	// warmings is how many datagrams there are to warm them.
	warmings = 3
)

// warm sends datagrams and takes them and their stamps. That it fails matters to nobody.
func (w *warmer) warm() {
	if w == nil {
		return
	}
	for range warmings {
		_, _ = w.writer.Write(w.batch[:])
		_, _ = w.reader.ReadNow()
		w.reader.SendStamps(0)
	}
}

func (w *warmer) close() {
	if w != nil {
		_ = w.conn.Close()
	}
}
