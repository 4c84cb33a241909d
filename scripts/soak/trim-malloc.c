// An addon for Node.js that gives what malloc keeps free back to the system whenever it is loaded, and has no functions. Needs
// no headers of Node: both parameters are handed on as they are.
#include <malloc.h>

void *napi_register_module_v1(void *env, void *exports) {
  (void)env;
  malloc_trim(0);
  return exports;
}
