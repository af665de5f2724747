package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"wirelab/server"
)

// tlsHandshakeTime bounds how long a peer may take to agree on keys.
const tlsHandshakeTime = 10 * time.Second

// lastLookTime is how long a stream that is to end looks for what has already arrived:
// decrypting it takes more than one look into the socket.
const lastLookTime = 10 * time.Millisecond

// tlsStream is TLS over TCP. The TLS layer buffers, and so it keeps its own
// buffers while it waits.
type tlsStream struct {
	netStream
	tls     *tls.Conn
	in, out []byte
	looked  bool // endInput was noticed, and the last look begun
}

func newTLSStream(tcp *net.TCPConn, s *Server) *tlsStream {
	return &tlsStream{
		netStream: netStream{tcp: tcp}, tls: tls.Server(tcp, s.cfg.TLS),
		in: make([]byte, s.cfg.Buffer), out: make([]byte, 0, s.cfg.Buffer),
	}
}

// open agrees on keys with the peer.
func (st *tlsStream) open() error {
	ctx, cancel := context.WithTimeout(context.Background(), tlsHandshakeTime)
	defer cancel()
	return st.tls.HandshakeContext(ctx)
}

// handshakeFailed logs, apart from blockingConn.takeTurns so that plain
// connections need no stack for it.
func (c *Conn) handshakeFailed(err error) server.Reason {
	c.server.log.Warn("no TLS handshake", "conn", c.id, "peer", c.peer, "err", err)
	return server.ReasonTLS
}

func (st *tlsStream) await(bc *blockingConn) ([]byte, Next, error) {
	got, err := st.receive()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, Finish, err
	}
	answer, next := bc.turn(got, st.out[:0])
	return answer, next, nil
}

// receive waits for bytes; io.EOF is their end.
func (st *tlsStream) receive() ([]byte, error) {
	for {
		n, err := st.tls.Read(st.in)
		switch {
		case n > 0:
			return st.in[:n], nil
		case errors.Is(err, os.ErrDeadlineExceeded) && st.ended.Load() && !st.looked:
			st.looked = true
			st.tcp.SetReadDeadline(time.Now().Add(lastLookTime))
		case errors.Is(err, os.ErrDeadlineExceeded) && st.ended.Load():
			return nil, io.EOF
		default:
			return nil, err
		}
	}
}

func (st *tlsStream) scratch() []byte { return st.out[:0] }

func (st *tlsStream) send(p []byte) error {
	_, err := st.tls.Write(p)
	return err
}

// closeWrite sends TLS's own end, then TCP's.
func (st *tlsStream) closeWrite() error {
	st.tls.CloseWrite()
	return st.netStream.closeWrite()
}
