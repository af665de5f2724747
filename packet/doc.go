// Package packet describes packets as data. It does no I/O.
//
// One table, layouts, holds the layers with their fields. Everything walks it:
// [Scan] finds the headers of a frame, [Verify] judges its checksums as Linux
// would, [AppendSummary] says in one line what it is. None of the three allocates,
// and none reads a byte behind the frame, whatever the frame claims.
//
// A packet is described in a small language, on the command line or in YAML
// ([Parse], [FromValue]), and printed in either ([Spec.CLI], [Spec.YAML]). A
// [Template] makes its frames: [Template.Append] computes everything anew, a
// [Filler] only what varies. [Explain] says of every byte what it is.
// [SpecOf] goes the other way, from a frame to its description.
package packet
