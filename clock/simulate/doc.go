// Package simulate plays the discipline of a clock against a simulated oscillator,
// simulated servers and a simulated network, faster than time passes.
//
// The model is that of clknetsim, which chrony's tests use: the frequency of the
// oscillator walks at random, a link has a least delay and exponentially distributed
// jitter. The true offset is known at every second, as it never is in the world,
// so that a run ends with how well the clock was kept, and whether the bound that
// the loop claimed did hold. A seed makes a run repeatable.
package simulate
