"""The commands: a module a subject. Each parses, calls, prints."""
