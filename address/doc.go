// Package address gives a machine the links, addresses, routes, policy rules and
// name servers that a file asks for, and takes them back.
//
// [Parse] makes a [Config] of the section addresses of the configuration.
// [Machine.Read] reads the present [State] of a network namespace. [Config.Target]
// compares the two, and [Plan] lists the steps from one to the other, in an order in
// which the machine stays reachable: what is new is made before what is old goes.
//
//	config, errs := address.Parse(section)
//	now, err := machine.Read()
//	change, err := config.Change(now)    // what is wrong with it here and now
//	for _, step := range change.Steps() { fmt.Println(step) }
//	err = machine.Apply(ctx, change)
//
// What the file does not name is left alone, except on links that are exclusive.
//
// The kernel takes things away by itself: the other addresses of a network with the
// first one, IPv6 addresses with an MTU below 1280 or when a link goes down, routes
// with their links, the default route of router advertisements when forwarding is
// turned on. A change knows all that is on the links that it touches, and Apply
// compares and puts back until nothing is missing.
//
// A [Change.Before] is the snapshot for package guard: [Machine.Restore] leads back
// to it from wherever the machine is by then, and [Machine.Verify] says what differs.
package address
