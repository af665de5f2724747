package kernel

import "golang.org/x/sys/unix"

// Messages of nftables, as subsystem<<8 | message.
const (
	newTable   = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE
	getTable   = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETTABLE
	delTable   = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELTABLE
	newChain   = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWCHAIN
	getChain   = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETCHAIN
	delChain   = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELCHAIN
	newRule    = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWRULE
	getRule    = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE
	delRule    = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELRULE
	newSet     = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSET
	getSet     = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSET
	delSet     = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELSET
	newElement = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSETELEM
	getElement = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM
	delElement = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELSETELEM
)

// What x/sys/unix lacks of linux/netfilter/nf_tables.h.
const (
	setExpression    = 17         // NFTA_SET_EXPR
	elementKeyEnd    = 10         // NFTA_SET_ELEM_KEY_END
	elementExprs     = 11         // NFTA_SET_ELEM_EXPRESSIONS
	setFields        = 2          // NFTA_SET_DESC_CONCAT
	dynsetFlags      = 9          // NFTA_DYNSET_FLAGS
	bitwiseOperation = 6          // NFTA_BITWISE_OP
	setFieldLength   = 1          // NFTA_SET_FIELD_LEN
	verdictType      = 0xffffff00 // NFT_DATA_VERDICT
	verdictRegister  = unix.NFT_REG_VERDICT
	firstRegister    = unix.NFT_REG_1
	natAddresses     = 0x1 // NF_NAT_RANGE_MAP_IPS
	natPorts         = 0x2 // NF_NAT_RANGE_PROTO_SPECIFIED
	natRandom        = 0x4 // NF_NAT_RANGE_PROTO_RANDOM
	natPersistent    = 0x8 // NF_NAT_RANGE_PERSISTENT
	limitInverted    = 1   // NFT_LIMIT_F_INV
	maxSegmentOption = 2   // TCPOPT_MAXSEG
)

// Kinds of user data of rules and elements. The comment is libnftnl's, which
// nft prints; the others are our own, and nft passes over them.
const (
	dataComment  = 0
	dataHash     = 0x77
	dataText     = 0x78
	dataSeal     = 0x79
	maxUserData  = 256
	maxComment   = 128 // with its final zero
	elementChunk = 48 << 10
)
