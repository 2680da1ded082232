// The FanOut module.
