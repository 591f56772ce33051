"""Serving: starting a server, the embedded server, and the client that speaks to any of them."""
