// The Membership module.
