package load

import "wirelab/report"

// Kinds returns the kinds of reports that are measured here.
func Kinds() []report.Kind {
	// Differences of clocks may be negative.
	signed := []string{"offset_us", "forward_us", "backward_us", "clock_step_us"}
	return []report.Kind{
		{Schema: ReportSchema, Check: report.CheckAs(func(r *Report) error {
			return report.Known("network", r.Network, "tcp", "udp")
		}, signed...)},
		{Schema: FastReportSchema, Check: report.CheckAs(func(r *FastReport) error {
			return report.Known("network", r.Network, "udp")
		}, signed...)},
	}
}
