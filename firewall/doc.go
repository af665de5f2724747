// Package firewall turns a policy, a few lines in wirelab.yaml, into one
// [Program] of sets, chains and rules, free of any syntax.
//
// [Parse] reads the section into a [Policy], each rule with its line; Compile makes the
// Program of it. Everything else is a walk over that and the one table of fields in
// field.go: package simulate answers what becomes of a packet, package export writes it for
// other tools, package kernel carries it into the kernel and back, and package foreign
// makes one of what other tools have written. A new field is a new row of the table.
//
// The words of a rule stand for the same everywhere: [ParseRange] knows addresses,
// [LookupPort] and [ParseProtocol] know names, and no name is ever looked up on a network.
package firewall
