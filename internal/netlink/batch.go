package netlink

// Messages of nfnetlink and nftables that a batch is made of, from
// linux/netfilter/nfnetlink.h and nf_tables.h.
const (
	batchBegin        = 0x10 // NFNL_MSG_BATCH_BEGIN
	batchEnd          = 0x11
	batchGeneration   = 1 // NFNL_BATCH_GENID
	subsystemNftables = 10
	subsystemLog      = 4
	getGeneration     = subsystemNftables<<8 | 16 // NFT_MSG_GETGEN
	generationID      = 1                         // NFTA_GEN_ID
)

// Batch is a transaction of nftables: messages that take effect together or
// not at all.
type Batch struct {
	Encoder
	// Echo, if set, is called by Commit with what the kernel tells of the messages that
	// have NLM_F_ECHO, in their order. What it is given is valid during the call.
	Echo func(Message)
}

// NewBatch returns an empty batch.
func NewBatch() *Batch {
	b := &Batch{}
	b.Reset()
	return b
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Encoder.Reset()
	b.Netfilter(batchBegin, 0, 0, subsystemNftables)
	b.Big32(batchGeneration, 0)
}

// Count returns the number of messages in the batch, without those that begin
// and end it.
func (b *Batch) Count() int { return b.count - 1 }

// close ends the batch and asks for an acknowledgement of its last message: the
// kernel sends none for the message that ends a batch before it has committed.
func (b *Batch) close(first, port, generation uint32) []byte {
	last := b.start
	b.Netfilter(batchEnd, 0, 0, subsystemNftables)
	b.finish()
	bytes := b.stamp(first, port, 0)
	bytes[last+6] |= flagAck
	// The kernel reads the number in network order, behind both headers.
	at := bytes[headerLength+4+attributeLength:]
	at[0], at[1], at[2], at[3] = byte(generation>>24), byte(generation>>16), byte(generation>>8), byte(generation)
	return bytes
}

// open takes back what close appended, so that the batch can be sent again.
func (b *Batch) open(last int) {
	b.buf = b.buf[:b.start]
	b.start = last
	b.count--
}
