// Tells the thread sanitizer about Swift's Mutex where threads wait for each other.
//
// Taking and giving back a free mutex is inlined into our code, and so seen. A mutex that another thread has is taken and
// given back by these two functions of libswiftSynchronization, which no sanitizer has looked into: what the mutex orders
// then looks like a race. They are called here in the library's place, call the library's own, and say what it has done.
// The rest (`Synchronization/Mutex/LinuxImpl.swift`) needs no help.
#include "CThreadSanitizer.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

// `_MutexHandle._lockSlow(_:)` and `._unlockSlow()`: methods, which have `self`, a pointer, in the context register.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define METHOD __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *handle

METHOD void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
METHOD void unlock_slow(SELF) __asm__(UNLOCK);

static void *library(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}

METHOD void lock_slow(uint32_t thread, SELF) {
    METHOD void (*original)(uint32_t, SELF) = library(LOCK);
    original(thread, handle);
    __tsan_acquire(handle);
}

METHOD void unlock_slow(SELF) {
    __tsan_release(handle);
    METHOD void (*original)(SELF) = library(UNLOCK);
    original(handle);
}
#endif
#endif
