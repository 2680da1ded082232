#define _LGPL_SOURCE
#define URCU_API_MAP
#include <urcu/urcu-qsbr.h>

#include "lfht.h"

const peer_kind peer_qsbr = {"liburcu qsbr", make, enter, leave, put, read_all};
