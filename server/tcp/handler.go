package tcp

// A Handler decides what the connections of a TCP server do with bytes. One
// Handler serves all connections of a server; Open may be called from many
// goroutines at once.
type Handler interface {
	// Open is called once for each admitted connection, before its first byte,
	// and returns what will handle it. A handler without state for each
	// connection returns the same Session every time. What Open pushes to c is
	// sent before the Session's first answer.
	Open(c *Conn) Session
}

// A Session handles one connection. It never blocks, never keeps the slices
// that it is given, and starts nothing that outlives it: so every engine,
// from a thread for each connection to one loop for all, can host it. The
// engine never calls two methods of one connection's Session at once.
type Session interface {
	// Handle is given in, the bytes received and not yet consumed (none, when
	// the connection has just opened or when the last call consumed all and
	// returned More), and eof, true once the peer will send no more. It appends its
	// answer to out, which may hold answers of earlier calls that are not sent yet,
	// and returns how many bytes of in it consumed, the grown out, and what it
	// wants next. Bytes not consumed are given again, with those that follow;
	// more than the server's buffer of them end the connection (server.ReasonTooLong).
	//
	// The engine sends answers in their order, collects them within bounds, and
	// reads nothing while the peer does not take them: back-pressure is its work.
	Handle(in []byte, eof bool, out []byte) (consumed int, answer []byte, next Next)

	// Close is called once, when the connection has ended for whatever reason.
	Close()
}

// Next is what a Session wants after a turn.
type Next uint8

const (
	// Wait for more bytes; after end of input, the same as Finish.
	Wait Next = iota
	// More to say: call again, with or without new bytes, as soon as the peer has
	// taken what was said. When the connection is to end, it is the same as Finish,
	// unless there are bytes that were not consumed.
	More
	// Finish: send what was said, then close.
	Finish
)
