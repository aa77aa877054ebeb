#pragma once

namespace sanad {

// The calling thread goes behind the others of its kind when all want the processor: for work whose end nobody waits for, as a
// rule. It gets a third of what another gets (nice 5, sched(7)): much less, and on a host that is full with other programs' work
// it would stand still for as long as that lasts. Does nothing where it is that far behind already.
void run_behind_others();

}  // namespace sanad
