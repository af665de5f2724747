package discipline

import "math"

// A point is one sample as the fit sees it, in seconds.
type point struct {
	at     float64 // raw time
	server float64 // server minus raw time
	excess float64 // delay above the least that the path can have
	oneWay float64 // the same, if all of it is always spent on one way
	noise  float64 // variance of what excess does not explain
	loose  bool    // the server's time jumped before this point
}

// variance returns that of the point's error. Of a round trip that took e longer than
// it must, anything from nothing to all was spent on one way: the error is uniform
// within half of e to either side.
func (p point) variance(e float64) float64 { return e*e/12 + p.noise }

// The priors of the fit. Frequencies are ratios.
const (
	priorFrequency = 1e-4  // standard deviation of a crystal that nobody has measured
	priorWeight    = 4     // points for which the prior of the noise's scale counts
	looseFrequency = 1e-7  // what a frequency may have changed by where time jumped
	usualWander    = 1e-18 // of a crystal: what the variance of its frequency gains in a second
	wanderDoubt    = 0.7   // standard deviation of that, in powers of wanderStep
	leastWander    = 1e-21
	wanderStep     = 10 // from one model to the next
	wanders        = 8  // models of wander
)

// asymmetries are the models of asymmetry, the usual one first: the standard deviation
// of the share of the excess delay that is always spent on one way.
var asymmetries = [...]float64{0.03, 0.4}

const models = wanders * len(asymmetries)

// A track is a Kalman filter over phase (server minus raw time), frequency (its
// rate) and asymmetry (the share of the excess delay that shows as offset). The
// frequency walks at random: wander is the variance that it gains in a second.
type track struct {
	oneWay                 bool // takes all excess to be spent on one way
	wander                 float64
	phase, freq, asym      float64
	pp, pf, pa, ff, fa, aa float64 // covariance, before the scale
	squares                float64 // of normalised innovations
	likelihood             float64 // logarithm
}

// advance predicts dt seconds ahead.
func (k *track) advance(dt float64) {
	k.phase += k.freq * dt
	k.pp = k.phaseVariance(dt)
	k.pf += dt*k.ff + k.wander*dt*dt/2
	k.pa += dt * k.fa
	k.ff += k.wander * dt
}

// phaseVariance returns that of the phase dt seconds ahead.
func (k *track) phaseVariance(dt float64) float64 {
	return k.pp + 2*dt*k.pf + dt*dt*k.ff + k.wander*dt*dt*dt/3
}

// excess returns the excess delay of a point as the track takes it.
func (k *track) excess(p point) float64 {
	if k.oneWay {
		return p.oneWay
	}
	return p.excess
}

// anchor takes the phase from a point alone, as nothing is known of it.
func (k *track) anchor(p point) {
	e := k.excess(p)
	k.phase = p.server - k.asym*e
	k.pp, k.pf, k.pa = p.variance(e)+e*e*k.aa, -e*k.fa, -e*k.aa
}

// observe takes a point at the time to which the track was advanced. It returns
// the innovation and its variance.
func (k *track) observe(p point) (innovation, variance float64) {
	e := k.excess(p)
	gp, gf, ga := k.pp+e*k.pa, k.pf+e*k.fa, k.pa+e*k.aa
	variance = gp + e*ga + p.variance(e)
	innovation = p.server - k.phase - k.asym*e
	k.phase += gp / variance * innovation
	k.freq += gf / variance * innovation
	k.asym += ga / variance * innovation
	k.pp -= gp * gp / variance
	k.pf -= gp * gf / variance
	k.pa -= gp * ga / variance
	k.ff -= gf * gf / variance
	k.fa -= gf * ga / variance
	k.aa -= ga * ga / variance
	return innovation, variance
}

// A frequency is what is known of one before any sample.
type frequency struct {
	value, deviation float64 // ratios
}

// A fit is the server's time against raw time after some points. It averages
// over tracks of different wander, each by how well it foretold the points, so
// that a quiet crystal and a restless one are both followed as they deserve.
type fit struct {
	at     float64 // of the last point
	n      int
	tracks [models]track
	weight [models]float64 // sum 1
}

// newFit fits points, at least one, in the order of their times.
func newFit(points []point, prior frequency) fit {
	f := fit{n: len(points), at: points[len(points)-1].at}
	best := math.Inf(-1)
	for i := range f.tracks {
		wander := leastWander * math.Pow(wanderStep, float64(i%wanders))
		f.tracks[i] = follow(points, prior, wander, asymmetries[i/wanders])
		f.tracks[i].likelihood -= square(math.Log(wander/usualWander)/math.Log(wanderStep)/wanderDoubt) / 2
		best = max(best, f.tracks[i].likelihood)
	}
	sum := 0.0
	for i, k := range f.tracks {
		f.weight[i] = math.Exp(k.likelihood - best)
		sum += f.weight[i]
	}
	for i := range f.weight {
		f.weight[i] /= sum
	}
	return f
}

// follow runs one track over the points. The scale of all variances is unknown
// too; with a prior of inverse gamma the likelihood is Student's.
func follow(points []point, prior frequency, wander, asymmetry float64) track {
	k := track{oneWay: asymmetry == asymmetries[1], wander: wander, freq: prior.value, ff: square(prior.deviation), aa: square(asymmetry)}
	k.anchor(points[0])
	k.squares = priorWeight
	for i, p := range points[1:] {
		k.advance(p.at - points[i].at)
		if p.loose {
			k.ff += square(looseFrequency)
			k.anchor(p)
			continue
		}
		innovation, variance := k.observe(p)
		k.squares += innovation * innovation / variance
		k.likelihood -= math.Log(variance) / 2
	}
	k.likelihood -= float64(priorWeight+len(points)-1) / 2 * math.Log(k.squares)
	scale := k.squares / float64(priorWeight+len(points)-1)
	for _, v := range []*float64{&k.pp, &k.pf, &k.pa, &k.ff, &k.fa, &k.aa, &k.wander} {
		*v *= scale
	}
	return k
}

// phase returns the server's time against raw time and its variance, dt seconds
// after the last point.
func (f *fit) phase(dt float64) (value, variance float64) {
	for i := range f.tracks {
		value += f.weight[i] * (f.tracks[i].phase + f.tracks[i].freq*dt)
	}
	for i := range f.tracks {
		k := &f.tracks[i]
		off := k.phase + k.freq*dt - value
		variance += f.weight[i] * (k.phaseVariance(dt) + off*off)
	}
	return value, variance
}

// frequency returns the rate of the phase and its standard deviation, made greater
// where few points say how good they are.
func (f *fit) frequency() frequency {
	var mean, variance float64
	for i := range f.tracks {
		mean += f.weight[i] * f.tracks[i].freq
	}
	for i := range f.tracks {
		off := f.tracks[i].freq - mean
		variance += f.weight[i] * (f.tracks[i].ff + off*off)
	}
	return frequency{mean, math.Sqrt(variance) * (1 + fewDoubt/2/float64(f.n))}
}

// asymmetry returns the share of the excess delay that shows as offset.
func (f *fit) asymmetry() float64 {
	sum := 0.0
	for i := range f.tracks {
		sum += f.weight[i] * f.tracks[i].asym
	}
	return sum
}

// wander returns the likely wander: the geometric mean of the tracks'.
func (f *fit) wander() float64 {
	sum := 0.0
	for i := range f.tracks {
		sum += f.weight[i] * math.Log(f.tracks[i].wander)
	}
	return math.Exp(sum)
}

// meanWander returns the expected wander, in which what is unlikely but great counts.
func (f *fit) meanWander() float64 {
	sum := 0.0
	for i := range f.tracks {
		sum += f.weight[i] * f.tracks[i].wander
	}
	return sum
}
