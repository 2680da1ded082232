// zlib, for reading .ndjson.gz files.
#pragma once
#include <zlib.h>
