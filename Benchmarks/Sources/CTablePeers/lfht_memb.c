#define _LGPL_SOURCE
#define URCU_API_MAP
#include <urcu/urcu-memb.h>

#include "lfht.h"

const peer_kind peer_memb = {"liburcu memb", make, enter, leave, put, read_all};
