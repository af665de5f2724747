// Package packet describes packets as data. It does no I/O.
//
// One table, layouts, holds the layers with their fields. Everything walks it:
// [Scan] finds the headers of a frame, [Verify] judges its checksums as Linux
// would, [AppendSummary] says in one line what it is. None of the three allocates,
// and none reads a byte behind the frame, whatever the frame claims.
package packet
