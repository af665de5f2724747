// Package tcp is a TCP server that is measured while it runs.
//
// It is three things that know little of each other:
//
//   - A [Handler] turns bytes received into bytes to send. It never blocks, so that every
//     engine can host it. Package handlers has some to choose from.
//   - An engine decides how connections share the machine: a goroutine each, an OS thread
//     each, or one event loop for each core (epoll, io_uring). [Engines] lists them.
//   - [Server] stands between them. It admits, counts, lists and ends connections,
//     whatever the engine.
//
// [Listen] binds the address, [Server.Run] serves until its context ends and then drains,
// and [Server.Status] tells at any time who is connected and what was counted.
package tcp
