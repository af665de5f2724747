// Package ntp speaks version 4 of the Network Time Protocol (RFC 5905): the packet
// format, and a client for one server, in the basic and the interleaved mode (RFC 9769).
//
// In the basic mode an answer carries the moment at which it was sent as the server
// estimated it before. In the interleaved mode it carries the true one of the answer
// before, which the server's kernel stamped as it left: each exchange is completed by
// the next answer, and its stamps are the best that both hosts have.
//
// A [Client] never believes a datagram that does not repeat the random numbers
// of its request. It refuses it, keeps the reason, and goes on waiting.
package ntp
