// The HTTP1 module.
