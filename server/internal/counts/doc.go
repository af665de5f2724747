// Package counts writes what the servers count: as text for people, and as log lines that
// nobody can make too many.
package counts
