// The Node module.
