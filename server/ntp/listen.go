package ntp

import "wirelab/server/udp"

// maxRequest has room for requests with NTS cookies and their placeholders.
const maxRequest = 2048

// Listen binds a UDP server that answers with r. Of cfg the handler, its name, the
// buffer and the workers are set here: an answer's departure is known to one worker alone,
// and a client in the interleaved mode may change its port.
func Listen(cfg udp.Config, r *Responder) (*udp.Server, error) {
	cfg.Handler, cfg.HandlerName = r, "ntp"
	cfg.Buffer, cfg.Workers, cfg.WithoutGRO = maxRequest, 1, true
	return udp.Listen(cfg)
}
