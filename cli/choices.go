package cli

import (
	"wirelab/address"
	"wirelab/cli/config"
	clocks "wirelab/cli/time"
	"wirelab/firewall"
	"wirelab/internal/setting"
	"wirelab/observe"
	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
	"wirelab/server/udp"
)

// settingChoices returns what may be chosen for the keys that name something in a
// table of another package.
func settingChoices() config.Choices {
	var engines, tcpHandlers, udpHandlers []string
	for _, e := range tcp.Engines() {
		engines = append(engines, e.Name)
	}
	engines = append(engines, tcp.AutoEngine)
	for _, h := range handlers.All() {
		tcpHandlers = append(tcpHandlers, h.Name)
	}
	for _, h := range udp.Handlers() {
		udpHandlers = append(udpHandlers, h.Name)
	}
	return config.Choices{"server.engine": engines, "server.handler": tcpHandlers, "server.udp.handler": udpHandlers,
		"time.step": clocks.StepRules()}
}

// sections is the table of the open sections of the configuration, each with the
// package that owns it.
func sections() []setting.Section {
	return []setting.Section{address.Section(), firewall.Section()}
}

// statusKinds is the table of what a process may say of itself in its status.
func statusKinds() []observe.Kind {
	return append([]observe.Kind{tcp.Kind(), udp.Kind()}, clocks.StatusKinds()...)
}
