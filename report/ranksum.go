package report

import (
	"math"
	"slices"
)

// exactRanks is up to how many samples on both sides together the distribution of
// the rank sum is counted out. Beyond, the normal one is as good.
const exactRanks = 50

// rankSum returns the two-sided p-value of the Mann–Whitney test (Wilcoxon's
// rank-sum test): the chance that samples of one and the same distribution, dealt
// out to both sides at random, have rank sums as far from what is expected as a and b
// have. It asks nothing of the distribution's shape, which latencies have of all
// kinds, and one bad interval weighs no more than its rank.
//
// Equal values share the mean of their ranks. For few samples the chance is exact,
// given those ties (Streitberg, Röhmel: Exact distributions for rank tests, 1986); for
// many it is that of the normal distribution with corrections for ties and continuity.
// Without samples on both sides it is 1.
func rankSum(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	ranks := doubledRanks(a, b)
	sum := 0
	for _, r := range ranks[:len(a)] {
		sum += r
	}
	if len(ranks) <= exactRanks {
		return exactRankSum(ranks, len(a), sum)
	}
	return normalRankSum(ranks, len(a), sum)
}

// doubledRanks returns twice the rank of each value among all, those of a first:
// twice, because the mean of two neighbours is no integer.
func doubledRanks(a, b []float64) []int {
	all := slices.Concat(a, b)
	sorted := slices.Sorted(slices.Values(all))
	ranks := make([]int, len(all))
	for i, v := range all {
		first, _ := slices.BinarySearch(sorted, v)
		behind, _ := slices.BinarySearch(sorted, math.Nextafter(v, math.Inf(1)))
		ranks[i] = first + 1 + behind
	}
	return ranks
}

// exactRankSum counts the ways to choose n of the ranks, by their sum. There are
// fewer than 2^53 ways, so that the counts are exact.
func exactRankSum(ranks []int, n, observed int) float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	ways := make([][]float64, n+1) // by how many are chosen, and their sum
	for chosen := range ways {
		ways[chosen] = make([]float64, total+1)
	}
	ways[0][0] = 1
	reached := 0
	for i, r := range ranks {
		reached += r
		for chosen := min(n, i+1); chosen > 0; chosen-- {
			with, without := ways[chosen], ways[chosen-1]
			for sum := reached; sum >= r; sum-- {
				with[sum] += without[sum-r]
			}
		}
	}
	// The expected sum is n of the mean rank; times len(ranks), all are integers.
	distance := func(sum int) int { return max(sum*len(ranks)-n*total, n*total-sum*len(ranks)) }
	var as, all float64
	for sum, count := range ways[n] {
		all += count
		if distance(sum) >= distance(observed) {
			as += count
		}
	}
	return as / all
}

func normalRankSum(ranks []int, n, observed int) float64 {
	all := float64(len(ranks))
	ties := 0.0
	counts := make(map[int]int)
	for _, r := range ranks {
		counts[r]++
	}
	for _, count := range counts {
		t := float64(count)
		ties += t*t*t - t
	}
	first := float64(n)
	variance := first * (all - first) / 12 * (all + 1 - ties/(all*(all-1)))
	distance := math.Abs(float64(observed)/2-first*(all+1)/2) - 0.5
	if variance <= 0 || distance <= 0 {
		return 1
	}
	return math.Erfc(distance / math.Sqrt(2*variance))
}

// Quartiles are the middle of samples, and the bounds of their middle half.
type Quartiles struct {
	Q1      float64 `json:"q1"`
	Median  float64 `json:"median"`
	Q3      float64 `json:"q3"`
	Samples int     `json:"samples"`
}

// NewQuartiles returns the quartiles of at least one sample, by linear
// interpolation (type 7 of Hyndman, Fan: Sample quantiles in statistical packages, 1996).
func NewQuartiles(samples []float64) *Quartiles {
	sorted := slices.Sorted(slices.Values(samples))
	quantile := func(q float64) float64 {
		whole, part := math.Modf(q * float64(len(sorted)-1))
		low, high := sorted[int(whole)], sorted[min(int(whole)+1, len(sorted)-1)]
		return low + part*(high-low)
	}
	return &Quartiles{Q1: quantile(0.25), Median: quantile(0.5), Q3: quantile(0.75), Samples: len(samples)}
}

// contain reports whether v lies in the middle half.
func (q *Quartiles) contain(v float64) bool { return q.Q1 <= v && v <= q.Q3 }
