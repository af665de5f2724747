// Package nts is Network Time Security for NTP (RFC 8915), for clients and servers: the key
// exchange over TLS 1.3, cookies in which a server lets its clients keep their keys
// for it, and the extension fields that authenticate NTP packets, with
// AEAD_AES_SIV_CMAC_256.
//
// A client calls [Establish] and gives the [Session] to its NTP client. A server has
// one [Server], whose Exchange answers key exchanges, and whose Open and Seal
// deal with NTP packets.
package nts
