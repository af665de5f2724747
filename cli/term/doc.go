// Package term is the toolkit of the command line: the [Console] that every command
// reads from and prints to, tables, units, colours, progress, escaping, and the errors
// that become exit statuses.
//
// A package of commands has one function, Commands(c *term.Console) []*cobra.Command,
// and is listed in one table in package cli. A command prints its result to c.Stdout, as
// JSON if c.JSON, and everything else with [Console.Note]. It returns its error: one of
// [Usagef] ends the program with status 2, one of [FailedCheck] with 1, what the machine
// does not support or permit with 3, and a cancelled context with 130.
package term
