// Package discipline keeps a clock in step with servers: what their time is, how
// fast the clock must run to keep it, when to ask again.
//
// It is pure. A [Loop] is told what was measured ([Sample]) and answers with an
// [Order]; it reads no clock and sends nothing, so that recorded samples, a
// simulator and the daemon drive the same code. [Serve] does so over lines of JSON.
//
// # How it works
//
// A clock that is being corrected is a bad ruler. So everything is fitted against
// raw time, a counter that nobody steers: from a sample, clock + offset - raw is
// the server's time against raw time, whatever was ordered in between. Its rate is
// the frequency that the clock needs, its value now the correction.
//
// How good a sample is shows in its delay. If the round trip took longer than
// the path needs at least, the surplus e was spent in queues, on one way or the
// other: the offset is wrong by up to e/2. So a sample has the variance e²/12,
// and a lucky one of small surplus counts a hundred times as much as a usual one.
// Surplus that is always spent on the same way shows as a slope of offset over
// surplus, and is fitted too. What is the same for every packet, as a longer way
// there than back, cannot be seen by anybody.
//
// The fit is a set of Kalman filters over the last samples, which differ in how
// restless they take the crystal to be and how one-sided the queues; each counts by how
// well it foretold the samples. The source is asked again when the time would become too uncertain: soon
// after an unlucky sample, late after a good one.
//
// Of several sources those are followed whose time a majority shares (package
// clock/selection). A sample that nothing explains is set aside until others
// confirm it. A server that jumps is followed after three samples, a machine that
// slept at once.
package discipline
