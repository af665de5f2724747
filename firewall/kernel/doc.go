// Package kernel carries a [firewall.Program] into the kernel and back, over
// netlink and without any other program.
//
//   - [Open] connects to the ruleset of the present network namespace.
//   - [Kernel.Read] reads a table back into a Program, with what its counters have seen.
//   - [Compare] finds, without a kernel, what would have to change, rule by rule.
//   - [Kernel.Apply] carries out such a [Plan], whole or not at all, if nobody has
//     changed the ruleset since it was read. One transaction puts it in force. Rules that stay
//     keep their counters and limits.
//   - [Kernel.Save] and [Kernel.Restore] keep a table as bytes, exactly, to put it back.
//
// What the kernel holds and this package has no words for becomes an Unknown
// part of a rule, which is never equal to anything.
package kernel
