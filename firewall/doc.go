// Package firewall turns a policy, a few lines in wirelab.yaml, into one
// [Program] of sets, chains and rules.
package firewall
