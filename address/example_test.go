package address_test

import (
	"fmt"

	"wirelab/address"
	"wirelab/internal/setting"
)

func ExampleParse() {
	file, _ := setting.Read("wirelab.yaml", []byte(`
addresses:
  eth1: {addresses: [10.64.37.35/24], mtu: 1400, routes: [default via 10.64.37.1]}
`))
	section, _ := file.Get("addresses")
	config, errs := address.Parse(section)
	if errs != nil {
		fmt.Println(errs)
		return
	}
	for _, route := range config.Routes {
		fmt.Println(route, "at", route.Place)
	}
	text, _, _ := config.Export("shell")
	fmt.Print(text)
	// Output:
	// default via 10.64.37.1 dev eth1 at wirelab.yaml:3:59
	// #!/bin/sh -e
	// ip link set dev eth1 mtu 1400
	// ip link set dev eth1 up
	// ip address add 10.64.37.35/24 broadcast 10.64.37.255 dev eth1
	// ip route replace default via 10.64.37.1 dev eth1 proto static
}
