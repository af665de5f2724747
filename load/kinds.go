package load

import "wirelab/report"

// Kinds returns the kinds of reports that are measured here.
func Kinds() []report.Kind {
	// Differences of clocks, and of memory before and after, may be negative.
	signed := []string{"offset_us", "forward_us", "backward_us", "clock_step_us", "resident_bytes_per_connection"}
	return []report.Kind{
		{Schema: ReportSchema, Check: report.CheckAs(func(r *Report) error {
			return report.Known("network", r.Network, "tcp", "udp")
		}, signed...)},
		{Schema: FastReportSchema, Check: report.CheckAs(func(r *FastReport) error {
			return report.Known("network", r.Network, "udp")
		}, signed...)},
		{Schema: EnginesSchema, Check: report.CheckAs((*EnginesReport).checkModes, signed...)},
	}
}

func (r *EnginesReport) checkModes() error {
	for _, e := range r.Results {
		if err := report.Known("mode", string(e.Mode), string(PingPong), string(Flood), string(Idle)); err != nil {
			return err
		}
	}
	return nil
}
