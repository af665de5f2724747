// Package observe shows what a running wirelab does: log files and log lines
// on the terminal, the status of servers, and a local control socket through
// which another process asks for both.
package observe
