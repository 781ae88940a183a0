"""Other programs that do the same work; each is a script of its own, as somebody would write it."""
