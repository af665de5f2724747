// Package server holds wirelab's TCP and UDP servers.
//
// A TCP server is three things that know little of each other: a Handler, which
// turns bytes received into bytes to send and never blocks; an engine, which
// decides how connections share the machine (a goroutine each, a thread each);
// and the TCP type between them, which admits, counts, lists and ends
// connections, whatever the engine.
//
// A UDP server reads and writes datagrams in batches, each with its peer and its
// receive stamp, and hands them to a Responder.
package server
