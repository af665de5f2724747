// Package file has what files can do beyond package os: locks that end with their
// process, owners, and reading from a terminal or a pipe that can be given up.
package file
