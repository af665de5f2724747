// Package cli is wirelab's command line: one file for each command. It is the

// only package that reads flags, the environment and the terminal, and that
// prints. Results go to stdout and everything else to stderr.
package cli
