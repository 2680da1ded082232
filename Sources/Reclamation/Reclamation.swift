// The Reclamation module.
