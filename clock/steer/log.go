package steer

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"time"

	"wirelab/clock/discipline"
)

// report tells the log what a request has changed, before its order is carried out.
func (d *Daemon) report(i int, m Measurement, failed error, order discipline.Order) {
	name, log := d.cfg.Sources[i].Name, d.cfg.Log
	if failed != nil {
		log.Debug("no answer", "source", name, "reason", failed.Error())
	} else {
		log.Debug("sample", "source", name, "offset", m.Offset.String(), "delay", m.Delay.String(), "stamps", m.Stamps)
	}
	before := d.order
	if order.State != before.State || order.State == discipline.Refused && order.Reason != before.Reason {
		level := slog.LevelInfo
		if order.State == discipline.Refused || order.State == discipline.Holdover {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, string(order.State), "reason", order.Reason, "offset", order.Estimate.String(), "bound", order.Bound.String())
	}
	if !slices.Equal(order.Selected, before.Selected) {
		log.Info("selected", "sources", order.Selected)
	}
	for _, s := range d.cfg.Sources {
		if reason := order.Rejected[s.Name]; reason != "" && before.Rejected[s.Name] == "" {
			log.Info("rejected", "source", s.Name, "reason", reason)
		}
	}
	if failed == nil || order.Slew != 0 || order.Step != 0 {
		d.reportOrder(order)
	}
}

// reportOrder tells what is done to the clock.
func (d *Daemon) reportOrder(order discipline.Order) {
	switch {
	case d.cfg.Passive:
		d.cfg.Log.Info("measured", "offset", order.Estimate.String(), "bound", order.Bound.String(), "freq_ppm", ppm(order.Frequency))
	case order.Step != 0:
		d.cfg.Log.Warn("step", "by", order.Step.String())
	default:
		d.cfg.Log.Info("slew", "by", order.Slew.String(), "over", order.SlewOver.Round(time.Millisecond).String(),
			"freq_ppm", ppm(order.Frequency), "skew_ppm", ppm(order.Skew), "bound", order.Bound.String(), "poll", order.Poll.String())
	}
}

// ppm makes ppm of ppb, with the digits that matter.
func ppm(ppb float64) float64 { return math.Round(ppb) / 1e3 }
