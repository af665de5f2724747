// Package ntp is an NTPv4 server (RFC 5905) on the UDP server of package udp: kernel
// stamps both ways, the interleaved mode (RFC 9769), kiss-o'-death packets, and no state
// that a stranger could make grow.
//
// It tells the truth about its clock: unless a [Reference] has been set it answers with
// leap indicator 3 and stratum 0, from which no client takes the time.
package ntp
