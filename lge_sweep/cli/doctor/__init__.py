"""What `lge-sweep doctor` looks at: a module a subject."""
