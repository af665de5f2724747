package cli

import (
	"slices"

	"wirelab/address"
	"wirelab/cli/config"
	clocks "wirelab/cli/time"
	"wirelab/firewall"
	"wirelab/internal/setting"
	"wirelab/observe"
	"wirelab/server"
)

// settingChoices returns what may be chosen for the keys that name something in a
// table of another package.
func settingChoices() config.Choices {
	var engines, handlers, udpHandlers []string
	for _, e := range server.Engines() {
		engines = append(engines, e.Name)
	}
	engines = append(engines, server.AutoEngine)
	for _, h := range server.TCPHandlers() {
		handlers = append(handlers, h.Name)
	}
	for _, h := range server.UDPHandlers() {
		udpHandlers = append(udpHandlers, h.Name)
	}
	return config.Choices{"server.engine": engines, "server.handler": handlers, "server.udp.handler": udpHandlers}
}

// sections is the table of the open sections of the configuration, each with the
// package that owns it.
func sections() []setting.Section {
	return []setting.Section{address.Section(), firewall.Section()}
}

// statusKinds is the table of what a process may say of itself in its status.
func statusKinds() []observe.Kind {
	return slices.Concat(server.Kinds(), clocks.StatusKinds())
}
