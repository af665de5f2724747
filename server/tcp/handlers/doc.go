// Package handlers has handlers for package tcp: the simple services of RFC 862 to 868,
// time differences, and a chat. [All] lists them.
package handlers
