// Package firewalltest compiles the policies that tests of the firewall's packages write.
package firewalltest

import (
	"testing"

	"wirelab/firewall"
	"wirelab/internal/setting"
)

// Read compiles the section firewall of a file.
func Read(name string, text []byte) (*firewall.Policy, *firewall.Program, setting.Errors) {
	file, errs := setting.Read(name, text)
	if errs != nil {
		return nil, nil, errs
	}
	section, _ := file.Get("firewall")
	policy, errs := firewall.Parse(section)
	if errs != nil {
		return nil, nil, errs
	}
	program, errs := policy.Compile()
	return policy, program, errs
}

// Compile compiles the section firewall of a file that has no mistakes.
func Compile(t testing.TB, text string) (*firewall.Policy, *firewall.Program) {
	t.Helper()
	policy, program, errs := Read("wirelab.yaml", []byte(text))
	if errs != nil {
		t.Fatal(errs)
	}
	return policy, program
}
