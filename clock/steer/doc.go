// Package steer is the daemon that keeps a clock in step with servers.
//
// A [Daemon] asks each server when the loop of package discipline says so, hands it
// what was measured, and lets a [Clock] carry out the order: that of this host
// ([System]), or a simulated one ([Simulated]) that anybody may watch. It keeps the
// frequency in a drift file, tells a log what happens, and can be asked for its
// [Status] at any time.
//
// Two daemons that steer one clock destroy each other's work. [Look] finds out
// whether somebody else does, as far as that can be seen from here.
package steer
