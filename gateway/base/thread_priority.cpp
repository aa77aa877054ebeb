#include "gateway/base/thread_priority.hpp"

#include <sys/resource.h>

namespace sanad {

// Linux knows a nice value of each thread; 0 is the calling one (setpriority(2), "C library/kernel differences").
void run_behind_others() { static_cast<void>(::setpriority(PRIO_PROCESS, 0, 5)); }

}  // namespace sanad
