// The Router module.
