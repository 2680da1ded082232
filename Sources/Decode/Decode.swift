// The Decode module.
