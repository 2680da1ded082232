// librdkafka (Debian's librdkafka-dev), the only header through which Swift sees it.
#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
