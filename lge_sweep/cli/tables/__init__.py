"""What the commands print: a module a subject."""
