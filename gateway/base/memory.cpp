#include "gateway/base/memory.hpp"

#ifdef SANAD_TCMALLOC
#include <gperftools/malloc_extension_c.h>
#else
#include <malloc.h>
#endif

namespace sanad {

void give_back_free_memory() {
#ifdef SANAD_TCMALLOC
  ::MallocExtension_ReleaseFreeMemory();
#else
  ::malloc_trim(0);
#endif
}

}  // namespace sanad
