// Package guard makes a change that takes itself back unless somebody who can
// still get in confirms it. It knows no policy: what it can save, restore and
// verify it is given as a table of Subjects.
//
// [Guard.Apply] saves the state, writes it to a journal on disk, starts a process
// that holds the way back, and only then makes the change. That process runs
// [Guard.Hold]: it is outside of the session and its control group, so that it
// survives whatever ends those. It restores the old state
//
//   - when the program that makes the change dies before it is done,
//   - when the deadline comes, on a clock that runs on while the machine sleeps
//     and that nobody can set,
//   - when it is told to ([Guard.Revert]), or is itself told to end.
//
// A confirmation ([Guard.Confirm]) is judged by the holding process, which looks
// up the caller in /proc: the old session proves nothing, because its packets pass
// as established ones long after nobody new can get in. It takes one from a login
// that began after the change and comes from another machine, or from a console.
//
// If the holding process is killed as well, the journal stays behind, and the next
// start of any command that calls [Guard.Resolve] restores the old state. So does a
// journal that a reboot left. A change that nobody holds (Unguarded) has a journal too:
// when its program is killed, the next start remembers it, if it was made.
//
// The last ten confirmed states are kept ([Guard.History]), to go back to them, and
// to have them at boot: what was never confirmed never comes back by itself.
//
// # Files
//
// All are in one directory that belongs to the user, mode 0700:
//
//	pending.json         the journal: there from before a change until it is settled
//	guard.sock           where the holding process listens
//	confirmed/000012.json the confirmed states, oldest first
//	outcome.json         how the last change ended
//	guard.log            what the holding process said
//	apply.lock, guard.lock  whose turn it is; the kernel unlocks them with the process
package guard
