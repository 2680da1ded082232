// The Link module.
