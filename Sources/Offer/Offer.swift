// The Offer module.
