"""LiteRT files: frozen, converted in a child process, inspected, and kept to what a runtime can do."""
