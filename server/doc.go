// Package server holds what the servers below it share: who may talk to them ([Access]),
// what they count ([Traffic], [Reason]), how they take a port ([BindNext]) and their
// certificates ([GenerateTLS]).
//
// The servers are packages of their own. All of them are used in the same way: Listen
// binds the address, so that the port is known and clients may already come; Run serves
// until its context ends, lets what has begun finish, and leaves nothing behind; Status
// tells at any time who is there and what was counted.
//
//   - Package tcp serves connections, with a handler of your own or one of package
//     tcp/handlers, under the concurrency model of your choice.
//   - Package udp answers datagrams, and measures loss, jitter and time differences of
//     those who send them.
//   - Package ntp is an NTP server on top of package udp.
package server
