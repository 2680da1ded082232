// The Placement module.
