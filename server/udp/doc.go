// Package udp is a UDP server that measures those who send to it.
//
// It reads and writes datagrams in batches. A [Responder] answers each [Datagram], which
// comes with its peer and with the time at which the kernel received it. The Responder may
// tell the server what the datagram says of the peer's clock and order: then
// [Server.Status] has loss, jitter and time differences for each peer.
//
// An answer is never longer than the datagram that it answers, and never goes to where
// another server would answer it: nobody can use this server to flood a third party, or
// set two servers talking to each other for ever.
//
// [Handlers] lists the Responders that come with the package. Package ntp is another.
package udp
