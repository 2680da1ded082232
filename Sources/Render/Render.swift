// The Render module.
