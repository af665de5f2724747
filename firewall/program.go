package firewall

import (
	"time"

	"wirelab/internal/setting"
)

// A Program is a firewall as the kernel runs it, free of any syntax: sets, and
// chains of rules. A policy is compiled to one; the netlink batch, the nft and
// iptables texts, the simulator and the plan are each one walk over it.
//
// A Program is self-contained: a rule carries the matches that its fields depend
// on (the family before an address, the protocol before a port), in the order in
// which the kernel runs them. Whoever writes a Program down adds none.
type Program struct {
	Family Family // of the table; AnyFamily is nft's inet
	Table  string
	Sets   []Set
	Chains []Chain
}

// A Family is what kind of packets a table sees, or one of the two for a rule.
// Its numbers are those of NFPROTO_*.
type Family uint8

// The families.
const (
	AnyFamily Family = 1 // NFPROTO_INET
	IPv4      Family = 2
	IPv6      Family = 10
)

// A Set is named and belongs to the table. Elements are sorted by From.
type Set struct {
	Name     string
	Key      []FieldID // more than one: a concatenation
	Interval bool      // some element is a range or a prefix
	Verdicts bool      // a verdict map: each element has a verdict
	Counters bool      // each element counts what it matched
	// Dynamic is for a set that rules fill with a limit for each source. It has no
	// elements of its own; the kernel holds at most Size and forgets each after Timeout.
	Dynamic bool
	Size    uint32
	Timeout time.Duration

	Elements []Element
	Place    setting.Place
}

// An Element is a key, or a range of keys, of a set.
type Element struct {
	// From and To are the first and the last key, both included; To is nil where
	// there is one alone. A key is the value of its field as Match has it. In a
	// concatenation each value is padded with zeros to a multiple of four bytes, as in
	// the kernel's registers, and a range holds for each field by itself.
	From, To []byte
	Verdict  Verdict // in a verdict map
	Place    setting.Place
	Text     string  // the rule it comes from, as written
	Hash     uint64  // of what it does, not of its place
	Seen     Traffic // read back from the kernel; not part of the Program
}

// A Chain is a list of rules. Hook says where the kernel enters it by itself.
type Chain struct {
	Name     string
	Hook     Hook // NoHook: entered by jumps alone
	Type     ChainType
	Priority int32
	Policy   VerdictKind // Accept or Drop: what happens at its end; base chains only
	Rules    []Rule
	Place    setting.Place
}

// A Hook is a place in the kernel's path where chains are entered. Its number is
// that of NF_INET_* plus one.
type Hook uint8

// The hooks.
const (
	NoHook Hook = iota
	Prerouting
	Input
	Forward
	Output
	Postrouting
)

// A ChainType is nft's type of a base chain.
type ChainType uint8

// The types of chains.
const (
	FilterChain ChainType = iota
	NATChain
	RouteChain
)

// A Rule does something with the packets that all its matches hold for. The
// kernel runs its parts in this order: Matches from the first, Effects in the
// order of their declaration, then Lookup or Verdict.
type Rule struct {
	Matches []Match
	Effects Effects
	// Lookup, if it has fields, takes the verdict from a verdict map; a key that is
	// not there goes on with the next rule. Verdict is then Continue.
	Lookup  Lookup
	Verdict Verdict

	Place    setting.Place // of the rule in the policy; zero: implicit
	Text     string        // the rule as written, or what an implicit rule is for
	Implicit bool
	Hash     uint64  // of what it does, not of its place
	Seen     Traffic // read back from the kernel; not part of the Program
}

// A Lookup takes a verdict from a map by the value of some fields.
type Lookup struct {
	Fields []FieldID // those of the set's Key
	Set    string
}

// A Match compares a field of the packet. A field that cannot be loaded (a port of
// a fragment) makes no match, negated or not, as in the kernel.
type Match struct {
	// Field is compared; with Set, Concat are the fields that follow it in the key.
	Field  FieldID
	Concat []FieldID

	// Mask, From and To have the width of the field and its byte order; names of
	// interfaces fill 16 bytes with zeros. Without Set the match holds if
	// field&Mask == From, or From <= field <= To where To is not nil. A nil Mask is
	// all ones. A prefix is a Mask and From; a name such as "eth*" is a Mask that covers
	// its first characters (nft compares fewer bytes); a test of any of some bits, as
	// of the connection's state, is Mask, From zero and Not.
	Mask, From, To []byte
	Set            string // holds if the value is in the set
	Not            bool   // holds if the comparison does not

	// Unknown is the text of a match read back from the kernel, or from a foreign
	// file, that this program has no words for. A policy never has one.
	Unknown string
}

// Effects are what a rule does beside its verdict. They run in this order.
type Effects struct {
	Limit    *Limit // a match too: beyond the limit the rule ends here
	Counter  bool
	Log      *Log
	ClampMSS bool // lowers the TCP option to the path's MTU (nft: tcp option maxseg size set rt mtu)
	NAT      *NAT // ends the chain, like a verdict
	// Unknown are effects read back that this program has no words for.
	Unknown []string
}

// A Limit holds while packets come at no more than Rate in each Per, with Burst
// allowed at once.
type Limit struct {
	Rate  uint64
	Per   time.Duration // second, minute, hour, day or week
	Burst uint32        // nft's default is 5
	Over  bool          // holds beyond the rate instead

	// Source and Set make a limit for each address: IPv4Source or IPv6Source, kept in
	// the dynamic set. NoField: one limit for all.
	Source FieldID
	Set    string
}

// A Log writes a line for the packet.
type Log struct {
	Prefix string // at most 127 bytes
	Level  uint8  // syslog's: 4 warning is the default, 7 debug
	Group  uint16 // NFLOG group; with HasGroup
	// HasGroup sends the packet to Group instead of the kernel's log, which shows
	// nothing from a namespace.
	HasGroup bool
}

// A NATKind is what a NAT changes.
type NATKind uint8

// The kinds of NAT.
const (
	DestinationNAT NATKind = iota // dnat: prerouting, output
	SourceNAT                     // snat: postrouting, input
	Masquerade                    // snat to the address of the interface
	Redirect                      // dnat to this host
)

// A NAT changes an end of the connection.
type NAT struct {
	Kind     NATKind
	Family   Family // of From and To; a rule with addresses matches it
	From, To []byte // the first and last address, 4 or 16 bytes; nil: unchanged, or none for the kind
	// MinPort and MaxPort are the ports to map to; 0: unchanged.
	MinPort, MaxPort uint16
	Random           bool
	Persistent       bool
}

// A VerdictKind is what becomes of a packet.
type VerdictKind uint8

// The verdicts.
const (
	Continue VerdictKind = iota // go on with the next rule
	Accept
	Drop
	Reject
	Jump   // Chain, and back when it ends
	Goto   // Chain, and back to where the present one was jumped to from
	Return // back to where the chain was jumped to from
)

// A Verdict is what becomes of a packet, with where it goes or how it is answered.
type Verdict struct {
	Kind   VerdictKind
	Chain  string // of Jump and Goto
	Answer Answer // of Reject
}

// An Answer is how a Reject answers. Type is nft's: ICMPAnswer takes a Code of
// ICMP or ICMPv6, by the Family that the rule matches; ICMPXAnswer one of NFT_REJECT_ICMPX_*
// for both families.
type Answer struct {
	Type   AnswerType
	Code   uint8
	Family Family // of ICMPAnswer
}

// An AnswerType is a number of NFT_REJECT_*.
type AnswerType uint8

// The types of answers.
const (
	ICMPAnswer  AnswerType = 0
	ResetAnswer AnswerType = 1 // a TCP reset
	ICMPXAnswer AnswerType = 2
)

// Codes of an ICMPXAnswer.
const (
	ICMPXNoRoute         = 0
	ICMPXPortUnreachable = 1
	ICMPXHostUnreachable = 2
	ICMPXAdminProhibited = 3
)

// Traffic is what a counter has seen.
type Traffic struct {
	Packets, Bytes uint64
}

// Chain returns the chain of that name, or nil.
func (p *Program) Chain(name string) *Chain {
	for i := range p.Chains {
		if p.Chains[i].Name == name {
			return &p.Chains[i]
		}
	}
	return nil
}

// Set returns the set of that name, or nil.
func (p *Program) Set(name string) *Set {
	for i := range p.Sets {
		if p.Sets[i].Name == name {
			return &p.Sets[i]
		}
	}
	return nil
}
