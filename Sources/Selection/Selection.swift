// The Selection module.
