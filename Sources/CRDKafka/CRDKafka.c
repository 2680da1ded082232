#include "CRDKafka.h"
