// Package guarded is what the commands have in common that change how the machine
// is reached: apply with a confirmation, confirm, rollback, install, and the process
// that package guard starts to take a change back.
//
// A group of commands makes a [Change] and hands it to [Session.Apply]. The commands
// confirm, rollback, install and boot of a group come from [Commands]. What can be
// changed is one table, in kinds.go.
package guarded
