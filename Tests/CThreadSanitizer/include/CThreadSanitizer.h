// Nothing to call: what is in CThreadSanitizer.c takes the place of functions of Swift's library.
#pragma once
