package simulate

import (
	"slices"
	"time"
)

// A Path is one direction of a link.
type Path struct {
	Delay  time.Duration // the least
	Jitter time.Duration // mean of what queues add, exponentially distributed
}

// A Busy link has bursts of traffic in which its queues are longer.
type Busy struct {
	Every, Lasts time.Duration // no bursts if 0
	Factor       float64       // by which Jitter grows in a burst, on the way forward
}

// A Server is a source of time and the link to it.
type Server struct {
	Name          string
	Forward, Back Path
	Loss          float64 // of exchanges, 0 to 1
	Busy          Busy
	Lie           time.Duration // by how much its time is ahead of the true time
	LieFrequency  float64       // ppb by which its lie grows
}

// A Scenario is a clock, what it does by itself, and its servers.
type Scenario struct {
	Name, Summary string
	Duration      time.Duration
	JudgedFrom    time.Duration // what happened before does not count
	Offset        time.Duration // of the clock at the start; > 0: it is ahead
	Frequency     float64       // ppb by which the clock runs fast at the start
	Wander        float64       // ppb: standard deviation of what the frequency gains in a second
	ServerStep    time.Duration // by which all servers jump
	StepAt        time.Duration
	Silent        time.Duration // from SilentFrom on no server answers for so long
	SilentFrom    time.Duration
	Suspended     time.Duration // the machine sleeps for so long: raw time stands still
	SuspendedAt   time.Duration
	MinPoll       time.Duration
	MaxPoll       time.Duration
	MaxFrequency  float64       // ppb
	Step          bool          // the clock may be set
	LockedWithin  time.Duration // what counts as locked
	Servers       []Server
}

const us, ms = time.Microsecond, time.Millisecond

// Scenarios returns all, the usual one first. They vary the default of clknetsim's
// tests: a clock 0.1 s and 100 ppm off that wanders by 1 ppb a second, 10,000
// seconds, and a link of 0.1 ms with as much jitter on average each way.
func Scenarios() []Scenario {
	return slices.Concat([]Scenario{usual("default", "0.1 ms of delay and of jitter each way, 100 ppm, 0.1 s behind")}, links(), sources(), clocks())
}

func usual(name, summary string) Scenario {
	return Scenario{
		Name: name, Summary: summary,
		Duration: 10000 * time.Second, JudgedFrom: 210 * time.Second,
		Offset: -100 * ms, Frequency: 100e3, Wander: 1,
		MinPoll: 64 * time.Second, MaxPoll: 1024 * time.Second, MaxFrequency: 100e6,
		LockedWithin: ms,
		Servers:      []Server{link("server", 100*us, 100*us)},
	}
}

func vary(name, summary string, change func(*Scenario)) Scenario {
	s := usual(name, summary)
	change(&s)
	return s
}

// links are other ways to the server.
func links() []Scenario {
	return []Scenario{
		vary("calm", "ten times less jitter", func(s *Scenario) {
			s.Servers = []Server{link("server", 100*us, 10*us)}
		}),
		vary("rough", "ten times more jitter", func(s *Scenario) {
			s.Servers = []Server{link("server", 100*us, ms)}
			s.LockedWithin, s.JudgedFrom = 10*ms, 1000*time.Second
		}),
		vary("asymmetric", "jitter only on the way to the server", func(s *Scenario) {
			s.Servers[0].Back.Jitter = 0
		}),
		vary("lossy", "40 % of the exchanges are lost", func(s *Scenario) {
			s.Servers[0].Loss = 0.4
			s.JudgedFrom = 1000 * time.Second
		}),
		vary("busy", "a minute of every five the queues are 30 times longer, one way", func(s *Scenario) {
			s.Servers[0].Busy = Busy{Every: 300 * time.Second, Lasts: 60 * time.Second, Factor: 30}
			s.JudgedFrom = 500 * time.Second
		}),
		vary("lan", "a poll every 16 s, 20 us of delay, 5 us of jitter", func(s *Scenario) {
			s.Servers = []Server{link("server", 20*us, 5*us)}
			s.MinPoll, s.MaxPoll = 16*time.Second, 16*time.Second
		}),
	}
}

// sources are other servers.
func sources() []Scenario {
	return []Scenario{
		vary("step", "the server's time jumps by 50 ms after 4,000 s", func(s *Scenario) {
			s.ServerStep, s.StepAt, s.JudgedFrom = 50*ms, 4000*time.Second, 5500*time.Second
		}),
		vary("falsetickers", "five sources of which two lie", func(s *Scenario) {
			s.Servers = fiveServers(0, 0, 0, 300*ms, -150*ms)
			s.Servers[4].LieFrequency = 20e3
		}),
		vary("majority-lies", "five sources of which three lie, each in its own way", func(s *Scenario) {
			s.Servers = fiveServers(0, 0, 300*ms, -150*ms, 900*ms)
		}),
		vary("silence", "no server answers for 3,000 s", func(s *Scenario) {
			s.SilentFrom, s.Silent = 3000*time.Second, 3000*time.Second
		}),
	}
}

// clocks are other clocks.
func clocks() []Scenario {
	return []Scenario{
		vary("hour", "the clock starts one hour behind and may be set", func(s *Scenario) {
			s.Offset, s.Step, s.MaxFrequency = -time.Hour, true, 500e3
		}),
		vary("restless", "the clock wanders ten times more", func(s *Scenario) { s.Wander = 10 }),
		vary("suspend", "the machine sleeps for 60 s, raw time with it", func(s *Scenario) {
			s.SuspendedAt, s.Suspended, s.JudgedFrom = 4000*time.Second, time.Minute, 5200*time.Second
		}),
	}
}

func link(name string, delay, jitter time.Duration) Server {
	path := Path{Delay: delay, Jitter: jitter}
	return Server{Name: name, Forward: path, Back: path}
}

func fiveServers(lies ...time.Duration) []Server {
	servers := make([]Server, len(lies))
	for i, lie := range lies {
		servers[i] = link(string(rune('a'+i)), 100*us, 100*us)
		servers[i].Lie = lie
	}
	return servers
}

// ByName returns the scenario of that name, and reports whether there is one.
func ByName(name string) (Scenario, bool) {
	all := Scenarios()
	if i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name }); i >= 0 {
		return all[i], true
	}
	return Scenario{}, false
}
