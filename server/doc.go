// Package server has TCP and UDP servers that are measured while they run.
//
// # TCP
//
// A TCP server is three things that know little of each other:
//
//   - A [Handler] turns bytes received into bytes to send. It never blocks, so that every
//     engine can host it.
//   - An engine decides how connections share the machine: a goroutine each, an OS thread
//     each, or one event loop for a core (epoll, io_uring). [Engines] lists them.
//   - [TCP] stands between them. It admits, counts, lists and ends connections, whatever
//     the engine.
//
// [ListenTCP] binds the address, [TCP.Run] serves until its context ends and then drains,
// [TCP.Status] tells at any time who is connected and what was counted.
//
// # UDP
//
// A UDP server reads and writes datagrams in batches. A [Responder] answers each [Datagram],
// which comes with its peer and with the time at which the kernel received it, and may tell
// the server what the datagram says of the peer's clock and order: [UDP.Status] then has
// loss, jitter and time differences for each peer. An answer is never longer than the
// datagram that it answers, and never goes to where another server would answer it.
//
// Package ntp below this one is such a Responder.
package server
